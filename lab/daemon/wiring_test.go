package daemon

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weft/ctl"
	"weft/lab"
	"weft/lab/topology"
)

// wired reads a topology and wires it, as the lab in /lab.
func wired(t *testing.T, text string) *wiring {
	t.Helper()
	l, err := topology.Parse("lab.yaml", []byte("name: x\ntopology:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return wire(l, newNumbers(), lab.Dir("/lab"))
}

// portOf finds a port by the end that it is for.
func portOf(t *testing.T, w *wiring, end string) ctl.PortSpec {
	t.Helper()
	e, _ := topology.ParseEnd(end)
	at, ok := w.ends[e]
	c := w.local
	if at.router != "" {
		c = w.routers[at.router]
	}
	for _, p := range c.Ports {
		if ok && p.Name == at.name {
			return p
		}
	}
	t.Fatalf("%s is no port", end)
	return ctl.PortSpec{}
}

// A cable is a network of its own, that passes everything; each way is
// impaired once.
func TestCable(t *testing.T) {
	w := wired(t, `
  nodes: {a: {address: {e: 10.0.0.1/24}, mac: {e: "02:00:00:00:00:01"}}, b: }
  links: [{endpoints: ["b:e", "a:e"], mtu: 9000, impair: {a-to-b: {delay: 1ms}, b-to-a: {loss: 2%}}}]
`)
	if len(w.local.Networks) != 1 || !w.local.Networks[0].ForwardReserved || w.local.Networks[0].MTU != 9000 {
		t.Errorf("the cable's network: %+v", w.local.Networks)
	}
	a, b := portOf(t, w, "a:e"), portOf(t, w, "b:e")
	if a.NetNS != "/lab/ns/a" || a.As != "e" || a.MAC != "02:00:00:00:00:01" || !cmp.Equal(a.Address, []string{"10.0.0.1/24"}) {
		t.Errorf("a's port: %+v", a)
	}
	// Frames from b, the link's first end, are delayed when they go to a.
	if a.Impair.To.Delay == 0 || b.Impair.To.Loss == 0 || !a.Impair.From.IsZero() || !b.Impair.From.IsZero() {
		t.Errorf("impaired: a %+v, b %+v", a.Impair, b.Impair)
	}
}

// A link to a switch is one port, which has the conditions of both ways.
func TestSwitchPort(t *testing.T) {
	w := wired(t, `
  nodes: {a: , s: {kind: switch}}
  links: [{endpoints: ["s:p", "a:e"], mtu: 9000, impair: {a-to-b: {delay: 1ms}, b-to-a: {loss: 2%}}}]
`)
	p := portOf(t, w, "a:e")
	if p.Impair.To.Delay == 0 || p.Impair.From.Loss == 0 || p.Network != "s" {
		t.Errorf("%+v", p)
	}
	if n := w.local.Networks; len(n) != 1 || n[0].MTU != 9000 || n[0].ForwardReserved {
		t.Errorf("the switch: %+v", n)
	}
}

// Between two networks a link is a stream: one listens, the other calls, both
// on one socket; who is there first listens.
func TestTrunk(t *testing.T) {
	w := wired(t, `
  nodes: {r: {kind: router}, s: {kind: switch}, s2: {kind: switch}}
  links: [{endpoints: ["r:p", "s:q"]}, {endpoints: ["s:t", "s2:t"]}]
`)
	r, s := portOf(t, w, "r:p"), portOf(t, w, "s:q")
	if s.Listen == "" || s.Listen != r.Connect || r.Listen != "" || s.Connect != "" {
		t.Errorf("router %+v, switch %+v", r, s)
	}
	if r.Name != "p" {
		t.Errorf("the router's port is %q; its user calls it p", r.Name)
	}
	t1, t2 := portOf(t, w, "s:t"), portOf(t, w, "s2:t")
	if t1.Listen+t1.Connect != t2.Listen+t2.Connect || t1.Listen == s.Listen {
		t.Errorf("%+v, %+v", t1, t2)
	}
}

// What a router's networks carry is what its underlay leaves.
func TestOverlayMTU(t *testing.T) {
	for _, c := range []struct {
		vtep, link string
		want       int
	}{
		{"10.0.0.1", "", 1450}, {"10.0.0.1", ", mtu: 9000", 8950}, {"fd00::1", "", 1430},
	} {
		w := wired(t, `
  nodes: {a: , b: , r: {kind: router, vtep: "`+c.vtep+`", address: {u: "`+c.vtep+`/30"}}}
  links: [{endpoints: ["r:u", "b:e"]`+c.link+`}, {endpoints: ["a:e", "r:p"]}]
`)
		if got := w.routers["r"].Networks[0].MTU; got != c.want {
			t.Errorf("%+v: MTU %d", c, got)
		}
	}
}

// What apply did is told in the words of the file.
func TestLinkChanges(t *testing.T) {
	link := func(a, b string) topology.Link {
		return topology.Link{A: topology.End{Node: a, Port: "e"}, B: topology.End{Node: b, Port: "e"}}
	}
	old := &topology.Topology{Links: []topology.Link{link("a", "b"), link("c", "d"), link("x", "y")}}
	next := &topology.Topology{Links: []topology.Link{link("b", "a"), link("c", "e"), link("x", "y")}}
	want := []ctl.Change{{Action: "remove", Kind: "link", Name: "c:e - d:e"}, {Action: "add", Kind: "link", Name: "c:e - e:e"}}
	if d := cmp.Diff(want, linkChanges(old, next)); d != "" {
		t.Error(d)
	}
	said := []ctl.Change{
		{Action: "add", Kind: "port", Name: "a.e"},
		{Action: "add", Kind: "port", Name: "b.e", Error: "no"},
		{Action: "change", Kind: "port", Name: "c.e"},
		{Action: "remove", Kind: "network", Name: "n"},
	}
	if got := untold(said, "port"); len(got) != 3 || got[0].Error == "" || len(said) != 4 || said[0].Name != "a.e" {
		t.Errorf("%+v", got)
	}
}

// A port whose interface or socket is to be elsewhere is given up first.
func TestWithout(t *testing.T) {
	now := ctl.Config{Ports: []ctl.PortSpec{{Name: "a", NetNS: "/x", As: "e"}, {Name: "b", NetNS: "/x", As: "f"}, {Name: "c", Listen: "unix:/1"}}}
	next := ctl.Config{Ports: []ctl.PortSpec{{Name: "a", NetNS: "/x", As: "e", MTU: 9000}, {Name: "b", NetNS: "/y", As: "f"}}}
	kept := without(now, next)
	if len(kept.Ports) != 1 || kept.Ports[0].Name != "a" || len(now.Ports) != 3 {
		t.Errorf("kept %+v of %+v", kept.Ports, now.Ports)
	}
}

// The names of networks' VNIs do not change when others come and go.
func TestVNIs(t *testing.T) {
	v := newNumbers()
	a, b := v.of("a"), v.of("b")
	if a == b || v.of("a") != a || a == 0 || strings.Contains(portName(topology.End{Node: "n", Port: "p"}), ":") {
		t.Errorf("a %d, b %d", a, b)
	}
}

// Remotes on one machine are one peer with several networks, whose VNIs no
// other network of the lab has, and a cable's MTU is the tunnel's.
func TestRemotes(t *testing.T) {
	w := wired(t, `
  nodes:
    a:
    sw: {kind: switch}
    x: {kind: remote, address: 192.0.2.7, vni: 16777215}
    y: {kind: remote, address: 192.0.2.7, vni: 16777214}
    z: {kind: remote, address: "192.0.2.8:4790", vni: 7}
  links: [{endpoints: ["a:e", x]}, {endpoints: ["sw:p", y]}, {endpoints: ["a:f", z], mtu: 1400}]
`)
	want := []ctl.PeerSpec{
		{Address: "192.0.2.7", Port: vxlanPort, Networks: []string{"x", "y"}},
		{Address: "192.0.2.8", Port: 4790, Networks: []string{"z"}},
	}
	if d := cmp.Diff(want, w.local.Peers); d != "" {
		t.Errorf("peers (-want +got):\n%s", d)
	}
	seen := map[uint32]string{}
	for _, n := range w.local.Networks {
		if seen[n.VNI] != "" {
			t.Errorf("%s and %s have VNI %d", seen[n.VNI], n.Name, n.VNI)
		}
		seen[n.VNI] = n.Name
	}
	if e, f := portOf(t, w, "a:e"), portOf(t, w, "a:f"); e.MTU != 0 || e.Network != "x" || f.MTU != 1400 {
		t.Errorf("ports: %+v %+v", e, f)
	}
}
