package daemon

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"

	"weft/ctl"
	"weft/lab"
	"weft/lab/topology"
)

// api is the lab's control socket.
func (l *Lab) api() http.Handler {
	mux := http.NewServeMux()
	answer(mux, "GET /v1/lab", func(r *http.Request) (any, error) { return l.inspect(r.Context()), nil })
	answer(mux, "GET /v1/topology", func(*http.Request) (any, error) { return l.current(), nil })
	answer(mux, "POST /v1/apply", func(r *http.Request) (any, error) {
		req, err := ctl.Decode[lab.ApplyRequest](r)
		if err == nil {
			err = l.acceptable(r.Context(), req.Topology)
		}
		if err != nil {
			return nil, err
		}
		changes, err := l.apply(context.WithoutCancel(r.Context()), req.Topology)
		if err == nil {
			err = os.WriteFile(l.dir.File(lab.SourceFile), []byte(req.Source), 0o600)
		}
		return changes, err
	})
	answer(mux, "POST /v1/links", func(r *http.Request) (any, error) {
		link, err := ctl.Decode[topology.Link](r)
		if err != nil {
			return nil, err
		}
		return l.edit(r.Context(), func(t *topology.Topology) error {
			t.Links = append(t.Links, link)
			return nil
		})
	})
	answer(mux, "DELETE /v1/links/{end}", func(r *http.Request) (any, error) {
		return l.edit(r.Context(), func(t *topology.Topology) error {
			link, err := linkAt(t, r.PathValue("end"))
			if err == nil {
				gone := *link
				t.Links = slices.DeleteFunc(t.Links, func(o topology.Link) bool { return o.A == gone.A && o.B == gone.B })
				t.Forget(gone.A)
				t.Forget(gone.B)
			}
			return err
		})
	})
	answer(mux, "PUT /v1/links/{end}", func(r *http.Request) (any, error) {
		change, err := ctl.Decode[lab.LinkChange](r)
		if err != nil {
			return nil, err
		}
		return l.edit(r.Context(), func(t *topology.Topology) error {
			link, err := linkAt(t, r.PathValue("end"))
			if err != nil {
				return err
			}
			change.To(link)
			return nil
		})
	})
	answer(mux, "POST /v1/ping", func(r *http.Request) (any, error) {
		req, err := ctl.Decode[lab.PingRequest](r)
		if err != nil {
			return nil, err
		}
		return l.ping(r.Context(), req)
	})
	answer(mux, "POST /v1/down", func(*http.Request) (any, error) {
		l.downOnce.Do(func() { close(l.down) })
		return struct{}{}, nil
	})
	return mux
}

// acceptable says what keeps this lab from becoming t, which was checked where
// it was read, if weft read it.
func (l *Lab) acceptable(ctx context.Context, t *topology.Topology) error {
	if t == nil {
		return ctl.Invalid("topology: is missing")
	}
	if t.Name != l.topologyName() {
		return ctl.Invalid("this is lab %s, and the topology is of %q", l.topologyName(), t.Name)
	}
	if err := topology.Check(t); err != nil {
		return ctl.Invalid("%v", err)
	}
	return lab.Permitted(ctx, t)
}

// edit applies a changed copy of the present topology.
func (l *Lab) edit(ctx context.Context, change func(*topology.Topology) error) ([]ctl.Change, error) {
	t := l.current().Clone()
	if err := change(t); err != nil {
		return nil, err
	}
	if err := topology.Check(t); err != nil {
		return nil, ctl.Invalid("%v", err)
	}
	changes, err := l.apply(context.WithoutCancel(ctx), t)
	if err == nil {
		err = failed(changes)
	}
	return changes, err
}

// linkAt finds the link that has the end.
func linkAt(t *topology.Topology, end string) (*topology.Link, error) {
	e, ok := topology.ParseEnd(end)
	if !ok || e.Port == "" {
		return nil, ctl.Invalid("%q is not a link end (want NODE:INTERFACE)", end)
	}
	if link := t.Link(e); link != nil {
		return link, nil
	}
	return nil, ctl.NotFound("no link ends at %s (see \"weft lab inspect\")", end)
}

// maxBody bounds a request in bytes: a file of the largest size, its text and
// what it says as JSON.
const maxBody = 8 << 20

// answer serves one call in JSON.
func answer(mux *http.ServeMux, pattern string, call func(*http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := call(r)
		status := http.StatusOK
		if err != nil {
			status, body = ctl.StatusOf(err), ctl.Failure{Error: err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // a client that went away
	})
}
