package ctl

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// route is one call of the API.
type route struct {
	method, path string
	query        []string // parameters it takes
	call         call
}

// table is the whole API.
func (s *Server) table() []route {
	return []route{
		{"GET", "/v1/status", nil, s.getStatus},
		{"GET", "/v1/stats", nil, s.getStats},
		{"GET", "/v1/networks", nil, s.listNetworks},
		{"POST", "/v1/networks", nil, s.addNetwork},
		{"GET", "/v1/networks/{name}", nil, s.getNetwork},
		{"DELETE", "/v1/networks/{name}", nil, s.removeNetwork},
		{"GET", "/v1/ports", []string{"network"}, s.listPorts},
		{"POST", "/v1/ports", nil, s.addPort},
		{"GET", "/v1/ports/{name}", nil, s.getPort},
		{"DELETE", "/v1/ports/{name}", nil, s.removePort},
		{"PUT", "/v1/ports/{name}/link", nil, s.setLink},
		{"GET", "/v1/ports/{name}/capture", []string{"filter", "snaplen", "count"}, s.capture},
		{"GET", "/v1/peers", nil, s.listPeers},
		{"POST", "/v1/peers", nil, s.addPeer},
		{"DELETE", "/v1/peers/{address}", nil, s.removePeer},
		{"GET", "/v1/fdb", []string{"network", "port", "peer"}, s.listFDB},
		{"POST", "/v1/fdb", nil, s.addFDB},
		{"DELETE", "/v1/fdb", []string{"network", "mac", "vlan"}, s.removeFDB},
		{"POST", "/v1/fdb/flush", nil, s.flushFDB},
		{"POST", "/v1/apply", nil, s.apply},
	}
}

// routes builds the handler: one entry a path, which picks the method, so
// that a wrong method is answered in the API's own form.
func (s *Server) routes() http.Handler {
	byPath := map[string][]route{}
	for _, r := range s.table() {
		byPath[r.path] = append(byPath[r.path], r)
	}
	mux := http.NewServeMux()
	for path, rs := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			i := slices.IndexFunc(rs, func(x route) bool { return x.method == r.Method })
			if i < 0 {
				s.answer(w, r, wrongMethod(w, rs))
				return
			}
			s.answer(w, r, rs[i].checkQuery)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, func(r *http.Request) (reply, error) {
			return reply{}, NotFound("there is no %s in this API", quote(r.URL.Path))
		})
	})
	return mux
}

func wrongMethod(w http.ResponseWriter, rs []route) call {
	var methods []string
	for _, r := range rs {
		methods = append(methods, r.method)
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	return func(r *http.Request) (reply, error) {
		return reply{}, &Error{
			Status:  http.StatusMethodNotAllowed,
			Message: quote(r.Method) + " does not work here (want " + allow + ")",
		}
	}
}

// checkQuery refuses parameters that the call would not look at: a filter with
// a typing error must not become "everything".
func (rt route) checkQuery(r *http.Request) (reply, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return reply{}, Invalid("query: %v", err)
	}
	for name, v := range values {
		if !slices.Contains(rt.query, name) {
			return reply{}, Invalid("query: unknown parameter %s", quote(name))
		}
		if len(v) > 1 {
			return reply{}, Invalid("query: parameter %s is there twice", quote(name))
		}
	}
	return rt.call(r)
}

// shown is the reply with a body. Lists are never null.
func shown[T any](body T, err error) (reply, error) {
	return reply{status: http.StatusOK, body: body}, err
}

func list[T any](items []T, err error) (reply, error) {
	if items == nil {
		items = []T{}
	}
	return shown(items, err)
}

// one picks the item that a path names.
func one[T any](items []T, err error, match func(T) bool, missing error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(items, match)
	if i < 0 {
		return reply{}, missing
	}
	return shown(items[i], nil)
}

func created(location string, err error) (reply, error) {
	return reply{status: http.StatusCreated, location: location}, err
}

func done(err error) (reply, error) { return reply{status: http.StatusNoContent}, err }

func vlanParameter(r *http.Request) (uint16, error) {
	text := r.URL.Query().Get("vlan")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, Invalid("vlan: %s is not a VLAN id", quote(text))
	}
	return uint16(n), nil
}
