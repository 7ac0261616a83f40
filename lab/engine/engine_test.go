package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fake is an engine that answers as it is told, and keeps what it was asked.
type fake struct {
	*http.ServeMux

	mu    sync.Mutex // guards asked
	asked []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
	f.mu.Unlock()
	f.ServeMux.ServeHTTP(w, r)
}

func (f *fake) answer(pattern string, status int, body string) {
	f.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func newFake(t *testing.T) (*fake, *Client) {
	t.Helper()
	f := &fake{ServeMux: http.NewServeMux()}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Skip(err) // a system without such sockets
	}
	s := httptest.NewUnstartedServer(f)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	c := Dial(socket)
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return f, c
}

func TestStart(t *testing.T) {
	f, c := newFake(t)
	var got map[string]any
	f.HandleFunc("POST /containers/create", func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"Id": "7", "Warnings": []}`)
	})
	f.answer("POST /containers/7/start", http.StatusNoContent, "")
	id, err := c.Start(t.Context(), Spec{
		Name: "weft-x-a", Image: "i", Host: "a", Env: []string{"A=b"}, Hosts: []string{"b:10.0.0.1"}, Labels: map[string]string{"k": "v"},
		Caps: []string{"NET_ADMIN", "NET_RAW"},
	})
	if id != "7" || err != nil {
		t.Fatal(id, err)
	}
	want := map[string]any{
		"Image": "i", "Hostname": "a", "Env": []any{"A=b"}, "Labels": map[string]any{"k": "v"}, "Tty": true, "OpenStdin": true,
		"HostConfig": map[string]any{
			"NetworkMode": "none", "ExtraHosts": []any{"b:10.0.0.1"}, "CapAdd": []any{"NET_ADMIN", "NET_RAW"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("asked for (-want +got):\n%s", d)
	}
	if !slices.Contains(f.asked, "POST /containers/create?name=weft-x-a") {
		t.Errorf("asked %q", f.asked)
	}
	clear(got)
	if _, err := c.Start(t.Context(), Spec{Name: "b", Image: "i", User: "0", Entry: []string{"/e"}, Beside: "7"}); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{
		"Image": "i", "User": "0", "Entrypoint": []any{"/e"}, "Env": nil, "Labels": nil, "Tty": true, "OpenStdin": true,
		"HostConfig": map[string]any{"NetworkMode": "container:7", "CapAdd": nil},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("beside another asked for (-want +got):\n%s", d)
	}
}

// What has gone by itself is removed; what cannot be is said.
func TestRemoveLabelled(t *testing.T) {
	f, c := newFake(t)
	f.answer("GET /containers/json", http.StatusOK, `[{"Id": "1"}, {"Id": "2"}, {"Id": "3"}]`)
	f.answer("DELETE /containers/1", http.StatusNoContent, "")
	f.answer("DELETE /containers/2", http.StatusNotFound, `{"message": "No such container: 2"}`)
	f.answer("DELETE /containers/3", http.StatusInternalServerError, `{"message": "stuck\n"}`)
	err := c.RemoveLabelled(t.Context(), "weft.lab", "/run/weft/lab/x")
	if err == nil || err.Error() != "stuck" {
		t.Errorf("want stuck: %v", err)
	}
	if want := `GET /containers/json?all=1&filters=%7B%22label%22%3A%5B%22weft.lab%3D%2Frun%2Fweft%2Flab%2Fx%22%5D%7D`; f.asked[0] != want {
		t.Errorf("asked %s\nwant  %s", f.asked[0], want)
	}
}

func TestErrors(t *testing.T) {
	f, c := newFake(t)
	f.answer("GET /images/there/json", http.StatusOK, "{}")
	f.answer("GET /images/gone/json", http.StatusNotFound, `{"message": "No such image"}`)
	f.answer("GET /images/odd/json", http.StatusBadGateway, "<html>")
	f.answer("GET /containers/x/json", http.StatusOK, "[")
	for name, want := range map[string]bool{"there": true, "gone": false} {
		if got, err := c.HasImage(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if _, err := c.HasImage(t.Context(), "odd"); err == nil || !strings.Contains(err.Error(), "answers 502: <html>") {
		t.Errorf("what is no engine: %v", err)
	}
	if _, err := c.State(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "the engine's answer") {
		t.Errorf("half an answer: %v", err)
	}
	nowhere := Dial(filepath.Join(t.TempDir(), "none"))
	if err := nowhere.Ping(t.Context()); !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "http://") {
		t.Errorf("no engine: %v", err)
	}
	t.Setenv("DOCKER_HOST", "ssh://me@there")
	if _, err := Default(); err == nil {
		t.Error("an engine elsewhere is taken")
	}
}

// piece is output as an engine sends it.
func piece(stream byte, text string) []byte {
	b := append([]byte{stream, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	return append(b, text...)
}

// A command's streams are told apart, its input has an end, and the exit code
// comes behind.
func TestExec(t *testing.T) {
	for _, status := range []string{"101 UPGRADED", "200 OK"} {
		t.Run(status, func(t *testing.T) {
			f, c := newFake(t)
			f.answer("POST /containers/x/exec", http.StatusCreated, `{"Id": "9"}`)
			f.HandleFunc("POST /exec/9/start", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprintf(rw, "HTTP/1.1 %s\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n", status)
				_, _ = rw.Write(piece(1, "out, "))
				_, _ = rw.Write(piece(2, "err"))
				_ = rw.Flush()
				said, _ := io.ReadAll(rw)
				_, _ = rw.Write(piece(1, string(said)))
				_ = rw.Flush()
			})
			f.answer("GET /exec/9/json", http.StatusOK, `{"Running": false, "Pid": 5, "ExitCode": 3}`)
			p, err := c.Exec(t.Context(), "x", Exec{Args: []string{"cat"}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := io.WriteString(p, "in"); err != nil {
				t.Fatal(err)
			}
			if err := p.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var out, errOut bytes.Buffer
			if err := p.Copy(&out, &errOut); err != nil || out.String() != "out, in" || errOut.String() != "err" {
				t.Errorf("output %q, error %q, %v", out.String(), errOut.String(), err)
			}
			if s, err := p.State(t.Context()); err != nil || s != (State{PID: 5, ExitCode: 3}) {
				t.Errorf("%+v %v", s, err)
			}
		})
	}
}

func TestExecRefused(t *testing.T) {
	f, c := newFake(t)
	f.answer("POST /containers/x/exec", http.StatusCreated, `{"Id": "9"}`)
	f.answer("POST /exec/9/start", http.StatusConflict, `{"message": "container x is not running"}`)
	if _, err := c.Exec(t.Context(), "x", Exec{Args: []string{"cat"}}); err == nil || err.Error() != "container x is not running" {
		t.Error(err)
	}
}
