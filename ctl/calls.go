package ctl

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

func (s *Server) getStatus(r *http.Request) (reply, error) {
	st, err := s.backend.Status(r.Context())
	if st.Features == nil {
		st.Features = []Feature{}
	}
	st.Totals = withDrops(st.Totals)
	return shown(st, err)
}

func (s *Server) getStats(r *http.Request) (reply, error) {
	st, err := s.backend.Stats(r.Context())
	return shown(withDrops(st), err)
}

// withDrops makes an empty map of none, which JSON shows as {}.
func withDrops(t Traffic) Traffic {
	if t.Drops == nil {
		t.Drops = map[string]uint64{}
	}
	return t
}

func (s *Server) listNetworks(r *http.Request) (reply, error) {
	return list(s.backend.Networks(r.Context()))
}

func (s *Server) getNetwork(r *http.Request) (reply, error) {
	name := r.PathValue("name")
	ns, err := s.backend.Networks(r.Context())
	return one(ns, err, func(n Network) bool { return n.Name == name }, NoNetwork(name))
}

func (s *Server) addNetwork(r *http.Request) (reply, error) {
	spec, err := decode[NetworkSpec](r)
	if err != nil {
		return reply{}, err
	}
	return created("/v1/networks/"+url.PathEscape(spec.Name), s.backend.AddNetwork(r.Context(), spec))
}

func (s *Server) removeNetwork(r *http.Request) (reply, error) {
	return done(s.backend.RemoveNetwork(r.Context(), r.PathValue("name")))
}

// ports is every port of the network, with nothing null.
func (s *Server) ports(r *http.Request, network string) ([]Port, error) {
	ps, err := s.backend.Ports(r.Context(), network)
	for i := range ps {
		ps[i].Traffic = withDrops(ps[i].Traffic)
	}
	return ps, err
}

func (s *Server) listPorts(r *http.Request) (reply, error) {
	return list(s.ports(r, r.URL.Query().Get("network")))
}

func (s *Server) getPort(r *http.Request) (reply, error) {
	name := r.PathValue("name")
	ps, err := s.ports(r, "")
	return one(ps, err, func(p Port) bool { return p.Name == name }, NoPort(name))
}

func (s *Server) addPort(r *http.Request) (reply, error) {
	spec, err := decode[PortSpec](r)
	if err != nil {
		return reply{}, err
	}
	return created("/v1/ports/"+url.PathEscape(spec.Name), s.backend.AddPort(r.Context(), spec))
}

func (s *Server) removePort(r *http.Request) (reply, error) {
	return done(s.backend.RemovePort(r.Context(), r.PathValue("name")))
}

func (s *Server) setLink(r *http.Request) (reply, error) {
	spec, err := decode[LinkSpec](r)
	if err != nil {
		return reply{}, err
	}
	return done(s.backend.SetLink(r.Context(), r.PathValue("name"), spec))
}

// capture answers with a stream that ends with the port, the client or the
// daemon.
func (s *Server) capture(r *http.Request) (reply, error) {
	snapLen, err := numberParameter(r, "snaplen")
	if err != nil {
		return reply{}, err
	}
	count, err := numberParameter(r, "count")
	if err != nil {
		return reply{}, err
	}
	spec := CaptureSpec{Filter: r.URL.Query().Get("filter"), SnapLen: snapLen, Count: count}
	return reply{stream: func(ctx context.Context, w io.Writer) error {
		return s.backend.Capture(ctx, r.PathValue("name"), spec, w)
	}}, nil
}

func numberParameter(r *http.Request, name string) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, Invalid("%s: %s is no whole number", name, quote(text))
	}
	return int(n), nil
}

func (s *Server) listPeers(r *http.Request) (reply, error) {
	ps, err := s.backend.Peers(r.Context())
	for i := range ps {
		ps[i].Traffic = withDrops(ps[i].Traffic)
		if ps[i].Networks == nil {
			ps[i].Networks = []string{}
		}
	}
	return list(ps, err)
}

func (s *Server) addPeer(r *http.Request) (reply, error) {
	spec, err := decode[PeerSpec](r)
	if err != nil {
		return reply{}, err
	}
	return created("/v1/peers", s.backend.AddPeer(r.Context(), spec))
}

func (s *Server) removePeer(r *http.Request) (reply, error) {
	return done(s.backend.RemovePeer(r.Context(), r.PathValue("address")))
}

func (s *Server) listFDB(r *http.Request) (reply, error) {
	q := r.URL.Query()
	f := FDBFilter{Network: q.Get("network"), Port: q.Get("port"), Peer: q.Get("peer")}
	if err := f.Validate(); err != nil {
		return reply{}, err
	}
	return list(s.backend.FDB(r.Context(), f))
}

func (s *Server) addFDB(r *http.Request) (reply, error) {
	spec, err := decode[FDBSpec](r)
	if err != nil {
		return reply{}, err
	}
	return created("/v1/fdb", s.backend.AddFDB(r.Context(), spec))
}

func (s *Server) removeFDB(r *http.Request) (reply, error) {
	vlan, err := vlanParameter(r)
	if err != nil {
		return reply{}, err
	}
	q := r.URL.Query()
	spec := FDBSpec{Network: q.Get("network"), MAC: q.Get("mac"), VLAN: vlan}
	if err := spec.ValidateKey(); err != nil {
		return reply{}, err
	}
	return done(s.backend.RemoveFDB(r.Context(), spec))
}

// flushed is the answer to a flush.
type flushed struct {
	Flushed int `json:"flushed"`
}

func (s *Server) flushFDB(r *http.Request) (reply, error) {
	f, err := decode[FDBFilter](r)
	if err != nil {
		return reply{}, err
	}
	n, err := s.backend.FlushFDB(r.Context(), f)
	return shown(flushed{n}, err)
}

func (s *Server) apply(r *http.Request) (reply, error) {
	c, err := decode[Config](r)
	if err != nil {
		return reply{}, err
	}
	return list(s.backend.Apply(r.Context(), c))
}
