package ctl_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/ctl/ctltest"
)

// serve runs a server for b on a socket of its own.
func serve(t *testing.T, b ctl.Backend) *ctl.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := ctl.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := ctl.NewServer(b, zerolog.Nop())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c := ctl.Dial(path)
	t.Cleanup(func() {
		c.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket after Shutdown: %v", err)
		}
	})
	return c
}

// wantError checks message and, unless it is 0, status.
func wantError(t *testing.T, err error, status int, message string) {
	t.Helper()
	if err == nil || err.Error() != message {
		t.Errorf("got error %v\nwant %s", err, message)
		return
	}
	if status != 0 && ctl.StatusOf(err) != status {
		t.Errorf("%v: status %d, want %d", err, ctl.StatusOf(err), status)
	}
}

// must fails the test on an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Everything that a client asks reaches the backend, and comes back whole.
func TestRoundTrip(t *testing.T) {
	fake := ctltest.New()
	c := serve(t, fake)
	ctx := t.Context()
	must(t,
		c.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue", VNI: 42, MTU: 1400, FDBLimit: 10, AgeSeconds: 60}),
		c.AddNetwork(ctx, ctl.NetworkSpec{Name: "red", VNI: 43}),
		c.AddPort(ctx, ctl.PortSpec{
			Name: "web", Network: "blue", NetNS: "web1", As: "eth0", MAC: "02:00:5e:10:00:01",
			Address: []string{"10.77.0.1/24"}, MTU: 1300, Trunk: []string{"10", "20-29"}, Native: 5,
		}),
		c.AddPort(ctx, ctl.PortSpec{Name: "db", Network: "red", Access: 7}),
		c.AddPeer(ctx, ctl.PeerSpec{Address: "10.99.0.2", Port: 4790, Networks: []string{"blue"}}),
		c.AddPeer(ctx, ctl.PeerSpec{Address: "fd00::2"}),
		c.AddFDB(ctx, ctl.FDBSpec{Network: "blue", MAC: "02:00:5e:10:00:09", VLAN: 10, Peer: "10.99.0.2"}),
	)
	fake.Learn(ctl.FDBEntry{Network: "red", MAC: "02:00:5e:10:00:08", Port: "db", AgeSeconds: 3})
	fake.SetTraffic("web", ctl.Traffic{RxFrames: 1, RxBytes: 2, TxFrames: 3, TxBytes: 4, Drops: map[string]uint64{"too_big": 5}})

	compare := func(what string, ask func(ctl.Backend) (any, error)) {
		t.Helper()
		want, err := ask(fake)
		must(t, err)
		got, err := ask(c)
		must(t, err)
		// The server makes empty lists and maps of none.
		wantJSON, gotJSON := compact(t, want), compact(t, got)
		wantJSON = strings.ReplaceAll(wantJSON, `"drops":null`, `"drops":{}`)
		if wantJSON == "null" {
			wantJSON = "[]"
		}
		if d := cmp.Diff(wantJSON, gotJSON); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	compare("status", func(b ctl.Backend) (any, error) { return b.Status(ctx) })
	compare("stats", func(b ctl.Backend) (any, error) { return b.Stats(ctx) })
	compare("networks", func(b ctl.Backend) (any, error) { return b.Networks(ctx) })
	compare("ports", func(b ctl.Backend) (any, error) { return b.Ports(ctx, "") })
	compare("ports of red", func(b ctl.Backend) (any, error) { return b.Ports(ctx, "red") })
	compare("peers", func(b ctl.Backend) (any, error) { return b.Peers(ctx) })
	for _, f := range []ctl.FDBFilter{{}, {Network: "red"}, {Port: "db"}, {Peer: "10.99.0.2"}, {Network: "red", Peer: "fd00::2"}} {
		compare("fdb", func(b ctl.Backend) (any, error) { return b.FDB(ctx, f) })
	}

	n, err := c.Network(ctx, "blue")
	must(t, err)
	if n.VNI != 42 || n.MTU != 1400 || n.FDBLimit != 10 || n.AgeSeconds != 60 || n.Ports != 1 || n.Peers != 2 {
		t.Errorf("network blue: %+v", n)
	}
	p, err := c.Port(ctx, "web")
	must(t, err)
	if p.IfName != "eth0" || p.NetNS != "web1" || p.VLAN != "trunk 10,20-29 native 5" || p.TxBytes != 4 || p.Drops["too_big"] != 5 {
		t.Errorf("port web: %+v", p)
	}

	if n, err := c.FlushFDB(ctx, ctl.FDBFilter{Port: "db"}); n != 1 || err != nil {
		t.Errorf("flush: %d, %v", n, err)
	}
	must(t,
		c.RemoveFDB(ctx, ctl.FDBSpec{Network: "blue", MAC: "02:00:5e:10:00:09", VLAN: 10}),
		c.RemovePeer(ctx, "fd00::2"),
		c.RemovePort(ctx, "web"),
		c.RemoveNetwork(ctx, "red"),
	)
	changes, err := c.Apply(ctx, ctl.Config{Networks: []ctl.NetworkSpec{{Name: "blue", VNI: 42, MTU: 1300, FDBLimit: 10, AgeSeconds: 60}}})
	must(t, err)
	want := []ctl.Change{
		{Action: "remove", Kind: "peer", Name: "10.99.0.2"},
		{Action: "change", Kind: "network", Name: "blue", Detail: "mtu 1400 -> 1300"},
	}
	if d := cmp.Diff(want, changes); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// The messages of a daemon's refusals arrive as they are.
func TestRefusals(t *testing.T) {
	c := serve(t, ctltest.New())
	ctx := t.Context()
	must(t,
		c.AddNetwork(ctx, ctl.NetworkSpec{Name: "red", VNI: 42}),
		c.AddNetwork(ctx, ctl.NetworkSpec{Name: "other", VNI: 9}),
		c.AddPort(ctx, ctl.PortSpec{Name: "web", Network: "red"}),
		c.AddPeer(ctx, ctl.PeerSpec{Address: "10.99.0.2"}),
	)
	for _, x := range []struct {
		err     error
		status  int
		message string
	}{
		{c.AddNetwork(ctx, ctl.NetworkSpec{Name: "red", VNI: 43}), 409, `network "red" exists already`},
		{c.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue", VNI: 42}), 409, `network "blue": VNI 42 is in use by "red"`},
		{c.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue"}), 400, `network "blue": vni: 0 is not a VNI (want 1 to 16777215)`},
		{c.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue", VNI: 1 << 24}), 400, `network "blue": vni: 16777216 is not a VNI (want 1 to 16777215)`},
		{c.RemoveNetwork(ctx, "blue"), 404, `no network "blue" (see "weft network ls")`},
		{c.RemoveNetwork(ctx, ""), 404, `no network "" (see "weft network ls")`},
		{c.RemoveNetwork(ctx, ".."), 404, `no network ".." (see "weft network ls")`},
		{c.RemoveNetwork(ctx, "../ports/web"), 404, `no network "../ports/web" (see "weft network ls")`},
		{c.AddPort(ctx, ctl.PortSpec{Name: "web", Network: "other"}), 409, `port "web" exists already, in network "red"`},
		{c.AddPort(ctx, ctl.PortSpec{Name: "db", Network: "blue"}), 404, `no network "blue" (see "weft network ls")`},
		{c.AddPort(ctx, ctl.PortSpec{Name: "db"}), 400, `port "db": network: is missing`},
		{c.RemovePort(ctx, "db"), 404, `no port "db" (see "weft port ls")`},
		{c.RemovePort(ctx, "."), 404, `no port "." (see "weft port ls")`},
		{c.AddPeer(ctx, ctl.PeerSpec{Address: "10.99.0.2"}), 409, `peer 10.99.0.2 exists already`},
		{c.AddPeer(ctx, ctl.PeerSpec{Address: "host"}), 400, `peer "host": address: "host" is not an IP address (want one such as 10.99.0.2 or fd00::2)`},
		{c.RemovePeer(ctx, "10.99.0.9"), 404, `no peer "10.99.0.9" (see "weft peer ls")`},
		{c.AddFDB(ctx, ctl.FDBSpec{Network: "red", MAC: "02:00:5e:10:00:01"}), 400, `fdb entry "02:00:5e:10:00:01": port: one of port and peer must be given`},
		{c.RemoveFDB(ctx, ctl.FDBSpec{Network: "red", MAC: "02:00:5e:10:00:01"}), 404, `network "red" has no entry for 02:00:5e:10:00:01 (see "weft fdb ls red")`},
	} {
		wantError(t, x.err, x.status, x.message)
	}
	_, err := c.Network(ctx, "blue")
	wantError(t, err, 404, `no network "blue" (see "weft network ls")`)
	_, err = c.Port(ctx, "db")
	wantError(t, err, 404, `no port "db" (see "weft port ls")`)
	_, err = c.Ports(ctx, "blue")
	wantError(t, err, 404, `no network "blue" (see "weft network ls")`)
	_, err = c.FDB(ctx, ctl.FDBFilter{Network: "blue"})
	wantError(t, err, 404, `no network "blue" (see "weft network ls")`)
	_, err = c.Apply(ctx, ctl.Config{Networks: []ctl.NetworkSpec{{Name: "a", VNI: 1}, {Name: "b", VNI: 1}}})
	wantError(t, err, 400, `network "b": vni: 1 is in use by "a"`)
	ns, err := c.Networks(ctx)
	if err != nil || len(ns) != 2 {
		t.Errorf("after all that: %+v, %v", ns, err)
	}
}

// What curl sees.
func TestHTTP(t *testing.T) {
	s := ctl.NewServer(ctltest.New(), zerolog.Nop())
	long := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, x := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/v1/networks", "", 200, `[]`},
		{"GET", "/v1/ports", "", 200, `[]`},
		{"GET", "/v1/peers", "", 200, `[]`},
		{"GET", "/v1/fdb", "", 200, `[]`},
		{"GET", "/v1/stats", "", 200, `{"rx_frames":0,"rx_bytes":0,"tx_frames":0,"tx_bytes":0,"drops":{}}`},
		{"POST", "/v1/networks", `{"name":"blue","vni":42}`, 201, ``},
		{"POST", "/v1/ports", `{"name":"web","network":"blue"}`, 201, ``},
		{"POST", "/v1/peers", `{"address":"10.99.0.2"}`, 201, ``},
		{"POST", "/v1/fdb", `{"network":"blue","mac":"02:00:5e:10:00:01","port":"web"}`, 201, ``},
		{"GET", "/v1/fdb?network=blue&port=web", "", 200, `[{"network":"blue","vni":42,"vlan":0,"mac":"02:00:5e:10:00:01","kind":"static","port":"web","peer":null,"age_seconds":0}]`},
		{"GET", "/v1/networks/blue", "", 200, `{"name":"blue","vni":42,"mtu":1450,"ports":1,"peers":1,"fdb_entries":1,"fdb_limit":65536,"age_seconds":300}`},
		{"GET", "/v1/ports/web", "", 200, `{"name":"web","network":"blue","type":"tap","ifname":"web","netns":"","mac":"02:00:5e:00:00:01","mtu":1450,"vlan":"","listen":"","connect":"","state":"up","reason":"","rx_frames":0,"rx_bytes":0,"tx_frames":0,"tx_bytes":0,"drops":{}}`},
		{"PUT", "/v1/ports/web/link", `{"to":{"delay":"20ms","loss":"1%"},"state":"down"}`, 204, ``},
		{"PUT", "/v1/ports/web/link", `{"from":{"rate":"10mbit"}}`, 204, ``},
		{"GET", "/v1/ports/db/capture", "", 404, `{"error":"no port \"db\" (see \"weft port ls\")"}`},
		{"GET", "/v1/ports/web/capture?count=x", "", 400, `{"error":"count: \"x\" is no whole number"}`},
		{"GET", "/v1/ports/web", "", 200, `{"name":"web","network":"blue","type":"tap","ifname":"web","netns":"","mac":"02:00:5e:00:00:01","mtu":1450,"vlan":"","listen":"","connect":"","state":"down","reason":"the link is set down","impair":{"to":{"delay":"20ms","loss":"1%"},"from":{"rate":"10mbit"}},"rx_frames":0,"rx_bytes":0,"tx_frames":0,"tx_bytes":0,"drops":{}}`},
		{"PUT", "/v1/ports/db/link", `{"state":"up"}`, 404, `{"error":"no port \"db\" (see \"weft port ls\")"}`},
		{"PUT", "/v1/ports/web/link", `{"state":"sideways"}`, 400, `{"error":"link: state: \"sideways\" is no state of a link (want up or down)"}`},
		{"PUT", "/v1/ports/web/link", `{"to":{"jitter":"1ms"}}`, 400, `{"error":"link: impair.to.jitter: 1ms is more than the delay of 0s (no frame arrives before it was sent)"}`},
		{"PUT", "/v1/ports/web/link", `{"to":{"loss":1}}`, 400, `{"error":"request body: loss: \"1\" is no percentage (want one from 0% to 100%, such as 0.1%)"}`},
		{"GET", "/v1/peers", "", 200, `[{"address":"10.99.0.2","port":4789,"name":"","state":"up","reason":"","networks":["blue"],"rx_frames":0,"rx_bytes":0,"tx_frames":0,"tx_bytes":0,"drops":{}}]`},
		{"POST", "/v1/fdb/flush", `{}`, 200, `{"flushed":0}`},
		{"DELETE", "/v1/fdb?network=blue&mac=02-00-5E-10-00-01", "", 204, ``},
		{"DELETE", "/v1/ports/web", "", 204, ``},
		{"POST", "/v1/apply", `{"networks":[{"name":"blue","vni":42}],"peers":[{"address":"10.99.0.2"}]}`, 200, `[]`},
		{"DELETE", "/v1/peers/10.99.0.2", "", 204, ``},
		{"DELETE", "/v1/networks/blue", "", 204, ``},

		{"GET", "/", "", 404, `{"error":"there is no \"/\" in this API"}`},
		{"GET", "/v2/status", "", 404, `{"error":"there is no \"/v2/status\" in this API"}`},
		{"PUT", "/v1/networks", "", 405, `{"error":"\"PUT\" does not work here (want GET, POST)"}`},
		{"POST", "/v1/status", "", 405, `{"error":"\"POST\" does not work here (want GET)"}`},
		{"DELETE", "/v1/fdb/flush", "", 405, `{"error":"\"DELETE\" does not work here (want POST)"}`},
		{"GET", "/v1/fdb?netwrk=blue", "", 400, `{"error":"query: unknown parameter \"netwrk\""}`},
		{"GET", "/v1/fdb?network=a&network=b", "", 400, `{"error":"query: parameter \"network\" is there twice"}`},
		{"GET", "/v1/status?x=1", "", 400, `{"error":"query: unknown parameter \"x\""}`},
		{"DELETE", "/v1/fdb?network=blue&mac=02:00:5e:10:00:01&vlan=x", "", 400, `{"error":"vlan: \"x\" is not a VLAN id"}`},
		{"DELETE", "/v1/fdb?network=blue&mac=02:00:5e:10:00:01&vlan=4095", "", 400, `{"error":"fdb entry \"02:00:5e:10:00:01\": vlan: 4095 is not a VLAN id (want 1 to 4094)"}`},
		{"DELETE", "/v1/fdb?mac=02:00:5e:10:00:01", "", 400, `{"error":"fdb entry \"02:00:5e:10:00:01\": network: is missing"}`},
		{"POST", "/v1/networks", ``, 400, `{"error":"request body: is empty (want a JSON object)"}`},
		{"POST", "/v1/fdb/flush", `null`, 400, `{"error":"request body: want a JSON object, not null"}`},
		{"POST", "/v1/networks", `[]`, 400, `{"error":"request body: array where an object is wanted"}`},
		{"POST", "/v1/networks", `{"name":"a"`, 400, `{"error":"request body: the JSON ends too early"}`},
		{"POST", "/v1/networks", `{"name":"a",}`, 400, `{"error":"request body: not JSON at byte 13: invalid character '}' looking for beginning of object key string"}`},
		{"POST", "/v1/networks", `{"name":"a","vni":1} x`, 400, `{"error":"request body: there is something behind the JSON object"}`},
		{"POST", "/v1/networks", `{"name":"a","vni":1,"vln":2}`, 400, `{"error":"request body: unknown field \"vln\""}`},
		{"POST", "/v1/networks", `{"name":"a","vni":"1"}`, 400, `{"error":"vni: string where a whole number from 0 to 4294967295 is wanted"}`},
		{"POST", "/v1/networks", `{"name":"a","vni":-1}`, 400, `{"error":"vni: number -1 where a whole number from 0 to 4294967295 is wanted"}`},
		{"POST", "/v1/networks", long, 413, `{"error":"request body: longer than 1048576 bytes"}`},
		{"GET", "/v1/networks", "", 200, `[]`},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(x.method, x.target, strings.NewReader(x.body)))
		if got := strings.TrimSpace(w.Body.String()); w.Code != x.status || got != x.want {
			t.Errorf("%s %s: %d %s\nwant %d %s", x.method, x.target, w.Code, got, x.status, x.want)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", x.method, x.target)
		}
	}
}

// broken fails in a way that the server has no words for.
type broken struct{ ctl.Backend }

func (broken) Networks(context.Context) ([]ctl.Network, error) {
	return nil, errors.New("first line\nsecond line")
}

func (broken) Stats(context.Context) (ctl.Stats, error) { panic("in a backend") }

func TestInternalError(t *testing.T) {
	c := serve(t, broken{ctltest.New()})
	_, err := c.Networks(t.Context())
	wantError(t, err, 500, "first line; second line")
	if _, err := c.Stats(t.Context()); err == nil {
		t.Error("a panic gave no error")
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("the server did not survive a panic: %v", err)
	}
}

func TestNoDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	_, err := ctl.Dial(path).Status(t.Context())
	if !errors.Is(err, ctl.ErrNoDaemon) {
		t.Errorf("%v is not ErrNoDaemon", err)
	}
	wantError(t, err, 0, "no weft daemon answers on "+path+` (start one with "weft run", or name its socket with --socket)`)
}

func TestClientContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := serve(t, ctltest.New())
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// slow blocks in Networks until released.
type slow struct {
	ctl.Backend
	entered chan struct{}
}

func (s slow) Networks(ctx context.Context) ([]ctl.Network, error) {
	close(s.entered)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A request that never ends, and a client that never speaks, do not keep the
// server from stopping.
func TestShutdownIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	b := slow{ctltest.New(), make(chan struct{})}
	s := ctl.NewServer(b, zerolog.New(io.Discard))
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()

	silent, err := net.Dial("unix", path)
	must(t, err)
	defer func() { _ = silent.Close() }()
	_, err = silent.Write([]byte("GET /v1/sta"))
	must(t, err)
	c := ctl.Dial(path)
	defer c.Close()
	asked := make(chan error, 1)
	go func() { _, err := c.Networks(context.Background()); asked <- err }()
	<-b.entered

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-asked; err == nil {
		t.Error("the request that was cut gave no error")
	}
}

// FuzzRequest: no request makes the server panic or blame itself.
func FuzzRequest(f *testing.F) {
	for _, x := range []struct{ method, target, body string }{
		{"GET", "/v1/status", ""},
		{"POST", "/v1/networks", `{"name":"blue","vni":42,"mtu":1400,"fdb_limit":10,"age_seconds":300,"forward_reserved":true}`},
		{"POST", "/v1/networks", `{"name":"","vni":16777216}`},
		{"DELETE", "/v1/networks/red", ""},
		{"GET", "/v1/networks/%2e%2e", ""},
		{"POST", "/v1/ports", `{"name":"web","network":"red","netns":"/proc/1/ns/net","as":"eth0","mac":"02:00:5e:10:00:01","address":["10.77.0.1/24"],"trunk":["1-4094"],"native":5}`},
		{"PUT", "/v1/ports/db/link", `{"state":"down","to":{"delay":"20ms","jitter":"2ms","distribution":"normal"},"from":{"loss":"1%","burst":5,"rate":"10mbit","limit":5}}`},
		{"GET", "/v1/ports?network=red", ""},
		{"POST", "/v1/peers", `{"address":"fe80::1%eth0","port":4789,"networks":["red"]}`},
		{"DELETE", "/v1/peers/fd00::2", ""},
		{"GET", "/v1/fdb?network=red&port=db&peer=10.99.0.2", ""},
		{"POST", "/v1/fdb", `{"network":"red","mac":"0200.5e10.0001","vlan":10,"peer":"10.99.0.2"}`},
		{"DELETE", "/v1/fdb?network=red&mac=02:00:5e:10:00:01&vlan=10", ""},
		{"POST", "/v1/fdb/flush", `{"network":"red","port":"db","peer":"10.99.0.2"}`},
		{"POST", "/v1/apply", `{"name":"a","vtep":{"address":"10.99.0.1","port":4789,"strict":true},"peers":[{"address":"10.99.0.2"}],"networks":[{"name":"red","vni":1}],"ports":[{"name":"db","network":"red"}],"offload":{"tap":"off"}}`},
		{"POST", "/v1/apply", `{"networks":[null]}`},
	} {
		f.Add(x.method, x.target, []byte(x.body))
	}
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		r, err := http.NewRequest(method, target, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		fake := ctltest.New()
		must(t,
			fake.AddNetwork(t.Context(), ctl.NetworkSpec{Name: "red", VNI: 1}),
			fake.AddPort(t.Context(), ctl.PortSpec{Name: "db", Network: "red"}),
			fake.AddPeer(t.Context(), ctl.PeerSpec{Address: "10.99.0.2"}),
		)
		w := httptest.NewRecorder()
		ctl.NewServer(fake, zerolog.Nop()).ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", method, target, w.Code, w.Body)
		}
		if w.Header().Get("Content-Type") != "application/json" {
			return // no body, or net/http's own answer to a path that is not clean
		}
		var failure struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &failure); w.Code >= 400 && (err != nil || failure.Error == "" || strings.ContainsAny(failure.Error, "\r\n")) {
			t.Errorf("%s %q: %d %s", method, target, w.Code, w.Body)
		}
	})
}
