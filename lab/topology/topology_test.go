package topology

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"weft/ctl"
	"weft/impair"
)

// whole has every key that hosts, switches, routers, links and tests take.
const whole = `
name: whole
prefix: ""            # containerlab's, without a meaning here
mgmt: {network: x}
offload: {tap: off, gso: off, gro: auto, spin: off, priority: off, io_uring: off}
topology:
  defaults: {kind: host, env: {A: b}}
  kinds:
    router: {exec: [sysctl -w net.ipv4.ip_forward=1]}
  nodes:
    h1:
      address: {lo: 10.9.0.1/32, eth1: [10.0.0.1/24, "fd00::1/64"]}
      mac: {eth1: "02:00:00:00:00:01"}
      exec: [ip route add default via 10.0.0.2]
      labels: {role: client}
    h2:
    r1:
      kind: router
      vtep: 10.1.0.1:4790
      address: {wan: 10.1.0.1/30}
      networks: {blue: {vni: 42, mtu: 1400, age: 5m, ports: [p1]}}
      peers: [r2, {address: 10.1.0.9, networks: [blue]}]
    r2: {kind: router, vtep: {address: 10.1.0.2, port: 4791}, address: {wan: 10.1.0.2/30}}
    sw: {kind: bridge, mtu: 9000, forward_reserved: true}
    c: {kind: linux, image: "frr:9", cmd: "sleep 1d", binds: "conf:/etc/frr:ro", env: {C: d}}
    dc: {kind: remote, address: "192.0.2.7:4790", vni: 4711, vtep: {address: 192.0.2.1}}
  links:
    - endpoints: ["h1:eth1", "r1:p1"]
      mtu: 1400
      impair: {delay: 20ms, loss: 1%, seed: 7}
    - endpoints: ["r1:wan", "r2:wan"]
      impair: {a-to-b: {rate: 10mbit}}
      state: down
    - endpoints: ["h2:eth1", sw]
    - type: veth
      endpoints:
        - {node: h2, interface: eth2, mac: "02:00:00:00:00:02", ipv4: 10.5.0.1/24}
        - {node: r2, interface: p1}
    - endpoints: ["h2:eth3", dc]
tests:
  - ping: {from: h1, to: h2, loss: "<3%", rtt: "20ms..30ms", count: 50, interval: 10ms, size: 100, within: 5s}
  - name: named
    exec: {node: h1, run: "true", expect: fail}
  - link: {end: "h2:eth1", state: down, impair: {}}
`

// noNotes leaves out of a comparison what is said of a file.
var noNotes = cmpopts.IgnoreFields(Topology{}, "Notes")

func parse(t *testing.T, text string) *Topology {
	t.Helper()
	got, err := Parse("lab.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWhole(t *testing.T) {
	got := parse(t, whole)
	want := &Topology{
		Name:    "whole",
		Offload: ctl.OffloadSpec{TAP: "off", GSO: "off", GRO: "auto", Spin: "off", Priority: "off", IOUring: "off"},
		Nodes: []Node{
			{
				Name: "h1", Kind: Host, Env: []string{"A=b"}, Exec: []string{"ip route add default via 10.0.0.2"},
				Interfaces: []Interface{
					{Name: "lo", Address: []string{"10.9.0.1/32"}},
					{Name: "eth1", Address: []string{"10.0.0.1/24", "fd00::1/64"}, MAC: "02:00:00:00:00:01"},
				},
			},
			{
				Name: "h2", Kind: Host, Env: []string{"A=b"},
				Interfaces: []Interface{{Name: "eth2", Address: []string{"10.5.0.1/24"}, MAC: "02:00:00:00:00:02"}},
			},
			{
				Name: "r1", Kind: Router, Env: []string{"A=b"}, Exec: []string{"sysctl -w net.ipv4.ip_forward=1"},
				Interfaces: []Interface{{Name: "wan", Address: []string{"10.1.0.1/30"}}},
				VTEP:       &ctl.VTEPSpec{Address: "10.1.0.1", Port: 4790},
				Networks:   []Network{{NetworkSpec: ctl.NetworkSpec{Name: "blue", VNI: 42, MTU: 1400, AgeSeconds: 300}, Ports: []string{"p1"}}},
				Peers:      []ctl.PeerSpec{{Address: "10.1.0.2", Port: 4791}, {Address: "10.1.0.9", Networks: []string{"blue"}}},
			},
			{
				Name: "r2", Kind: Router, Env: []string{"A=b"}, Exec: []string{"sysctl -w net.ipv4.ip_forward=1"},
				Interfaces: []Interface{{Name: "wan", Address: []string{"10.1.0.2/30"}}},
				VTEP:       &ctl.VTEPSpec{Address: "10.1.0.2", Port: 4791},
				Networks:   []Network{{NetworkSpec: ctl.NetworkSpec{Name: "lan", VNI: 1}, Ports: []string{"p1"}}},
			},
			{Name: "sw", Kind: Switch, MTU: 9000, ForwardReserved: true},
			{
				Name: "c", Kind: Container, Image: "frr:9", Command: "sleep 1d", Binds: []string{"conf:/etc/frr:ro"},
				Env: []string{"A=b", "C=d"},
			},
			{
				Name: "dc", Kind: Remote, VNI: 4711, VTEP: &ctl.VTEPSpec{Address: "192.0.2.1"},
				Peers: []ctl.PeerSpec{{Address: "192.0.2.7", Port: 4790}},
			},
		},
		Links: []Link{
			{
				A: End{"h1", "eth1"}, B: End{"r1", "p1"}, MTU: 1400,
				ImpairAB: impair.Spec{Delay: 20 * time.Millisecond, Loss: 0.01, Seed: 7},
				ImpairBA: impair.Spec{Delay: 20 * time.Millisecond, Loss: 0.01, Seed: 7},
			},
			{A: End{"r1", "wan"}, B: End{"r2", "wan"}, Down: true, ImpairAB: impair.Spec{Rate: 10_000_000}},
			{A: End{"h2", "eth1"}, B: End{"sw", "h2-eth1"}},
			{A: End{"h2", "eth2"}, B: End{"r2", "p1"}},
			{A: End{"h2", "eth3"}, B: End{"dc", "h2-eth3"}},
		},
		Tests: []Test{
			{Ping: &PingTest{
				From: "h1", To: "h2", Count: 50, Size: 100, Interval: 10 * time.Millisecond, Within: 5 * time.Second,
				Loss: &Span{High: 0.03, HighOpen: true, Text: "<3%"},
				RTT:  &Span{Low: 0.02, High: 0.03, Text: "20ms..30ms"},
			}},
			{Name: "named", Exec: &ExecTest{Node: "h1", Run: "true", Expect: "fail"}},
			{Link: &LinkStep{End: End{"h2", "eth1"}, State: "down", Impair: &impair.Spec{}}},
		},
	}
	if d := cmp.Diff(want, got, noNotes); d != "" {
		t.Errorf("topology differs (-want +got):\n%s", d)
	}
}

// What is saved reads back the same.
func TestMarshal(t *testing.T) {
	want := parse(t, whole)
	got := parse(t, string(want.Marshal()))
	if d := cmp.Diff(want, got, noNotes); d != "" {
		t.Errorf("saved and read again (-want +got):\n%s\n%s", d, want.Marshal())
	}
}

// bad is what stands below "name: x\ntopology:\n" and the error behind
// "lab.yaml:".
var bad = []struct{ in, want string }{
	{"  nodes: {a: {kind: srl}}", `3: topology.nodes.a.kind: unknown kind "srl" (want one of host, router, switch, vm, container, remote; or have a host in its place: --kind srl=host)`},
	{"  nodes:\n    a: {knd: host}", `4: topology.nodes.a.knd: unknown key (want one of address, append,`},
	{"  nodes:\n    a: {vtep: 10.0.0.1}", `4: topology.nodes.a.vtep: a node of kind host has no such key`},
	{"  nodes: {a: }\n  lnks: []", `4: topology.lnks: unknown key (want one of defaults, groups, kinds, links, nodes)`},
	{"  nodes: {a: }\ntest: []", `4: test: unknown key (want one of name, offload, tests, topology)`},
	{"  nodes: {a: }\noffload: {tap: never}", `4: offload.tap: "never" is not a setting (want auto, off or portable)`},
	{"  nodes: {a.b: }", `3: topology.nodes.a.b: "a.b" is not a node's name (want`},
	{"  nodes: {a: , a: }", `3: topology.nodes.a: is there twice`},
	{links(`{endpoints: ["a:e", "x:e"]}`), `5: topology.links[0]: there is no node "x"`},
	{links(`{endpoints: ["a:e", "b"]}`), `5: topology.links[0]: "b" names no interface`},
	{links(`{endpoints: ["a:e"]}`), `5: topology.links[0]: a link has two endpoints, this one has 1`},
	{links(`{endpoints: ["a:e", "a:e"]}`), `5: topology.links[0]: a:e is an end of the link in line 5 already`},
	{links(`{endpoints: ["a:e", "b:e"]}`, `{endpoints: ["b:f", "a:e"]}`), `6: topology.links[1]: a:e is an end of the link in line 5 already`},
	{links(`{endpoints: ["a:lo", "b:e"]}`), `5: topology.links[0]: a:lo: lo is every host's own`},
	{links(`{endpoints: ["a:0123456789abcdef", "b:e"]}`), `5: topology.links[0]: a:0123456789abcdef: "0123456789abcdef" is longer than the 15 characters`},
	{links(`{endpoints: ["a:e", "b:e"], mtu: 10}`), `5: topology.links[0].mtu: 10 is out of range (want 576 to 65535)`},
	{links(`{endpoints: ["a:e", "b:e"], state: no}`), `5: topology.links[0].state: "no" is not a state (want up or down)`},
	{links(`{endpoints: ["a:e", "b:e"], impair: {dely: 1ms}}`), `5: topology.links[0].impair.dely: unknown key (want one of burst, corrupt, delay,`},
	{links(`{endpoints: ["a:e", "b:e"], impair: {delay: 1}}`), `5: topology.links[0].impair.delay: `},
	{links(`{endpoints: ["a:e", "b:e"], type: macvlan}`), `5: topology.links[0].type: links of type "macvlan" are not supported`},
	{links(`{type: vxlan, endpoint: {node: a, interface: e}, vni: 7}`), `5: topology.links[0]: a link of type vxlan needs remote (an address) and vni`},
	{links(`{type: vxlan, endpoint: {node: a, interface: e}, remote: x, vni: 7}`), `5: topology.links[0].remote: `},
	{links(`{endpoints: ["a:e", "b:e"], vni: 7}`), `5: topology.links[0].vni: unknown key`},
	{"  nodes: {a: {address: {e: 10.0.0.1/24}}}", `3: topology.nodes.a.address.e: no link ends at a:e`},
	{"  nodes: {a: {address: {e: 10.0.0.1}}}", `3: topology.nodes.a.address.e: "10.0.0.1" is not an address with its prefix length`},
	{
		"  nodes:\n    a: {address: {e: 10.0.0.1/24}}\n    b: {address: {e: 10.0.0.1/24}}\n  links: [{endpoints: [\"a:e\", \"b:e\"]}]",
		`5: topology.nodes.b.address.e: 10.0.0.1 is the address of a:e already, in the same Ethernet`,
	},
	{"  nodes: {r: {kind: router, peers: [q]}}", `3: topology.nodes.r.peers: "q" is neither an address nor a router of this lab`},
	{"  nodes: {r: {kind: router, vtep: 10.0.0.1}}", `3: topology.nodes.r: vtep 10.0.0.1 is the address of none of its interfaces`},
	{"  nodes: {r: {kind: router, networks: {x: {vni: 1, ports: [p]}}}}", `3: topology.nodes.r.networks.x: no link ends at r:p`},
	{"  nodes: {v: {kind: vm}}", `3: topology.nodes.v: a vm needs an image or a kernel`},
	{"  nodes: {c: {kind: container}}", `3: topology.nodes.c: a container needs an image`},
	{"  nodes: {c: {kind: container, image: i, cmd: \"a 'b\"}}", `3: topology.nodes.c: cmd: a quotation mark has no partner`},
	{"  nodes: {c: {kind: container, image: i, binds: [\"a:b\"]}}", `3: topology.nodes.c.binds: "a:b" is not a mount`},
	{"  nodes: {d: {kind: remote, vni: 1}}", `3: topology.nodes.d: a remote needs address (of the other machine) and vni`},
	{"  nodes: {d: {kind: remote, address: 10.0.0.1}}", `3: topology.nodes.d: a remote needs address (of the other machine) and vni`},
	{"  nodes: {d: {kind: remote, address: dc.example}}", `3: topology.nodes.d.address: "dc.example" is not an IP address (want ADDR, IPV4:PORT`},
	{"  nodes: {d: {kind: remote, address: 0.0.0.0}}", `3: topology.nodes.d.address: "0.0.0.0" is not the address of one host`},
	{"  nodes: {d: {kind: remote, vtep: x}}", `3: topology.nodes.d.vtep: "x" is not an IP address`},
	{"  nodes: {d: {kind: remote, vtep: {address: x}}}", `3: topology.nodes.d.vtep: "x" is not an IP address`},
	{remotes(`address: 10.0.0.1, vni: 7`, `address: 10.0.0.2, vni: 7`), `5: topology.nodes.e: VNI 7 is that of d already`},
	{remotes(`address: 10.0.0.1, vni: 7`, `address: "10.0.0.1:9", vni: 8`), `5: topology.nodes.e: d has this address with another port`},
	{remotes(`address: 10.0.0.1, vni: 7`, `address: "fd00::1", vni: 8`), `5: topology.nodes.e: the remotes of a lab share a VTEP, so all are IPv4`},
	{remotes(`address: 10.0.0.1, vni: 7, vtep: {port: 9}`, `address: 10.0.0.2, vni: 8, vtep: {port: 8}`), `5: topology.nodes.e.vtep: the remotes of a lab share a VTEP, and another of them says port 9`},
	{remotes(`address: 10.0.0.1, vni: 7`, `address: 10.0.0.2, vni: 8, vtep: "fd00::1"`), `4: topology.nodes.d.vtep: fd00::1 is no way to 10.0.0.1`},
	{remotes(`address: 10.0.0.1, vni: 7, vtep: 10.0.0.2`, `address: 10.0.0.2, vni: 8`), `5: topology.nodes.e: 10.0.0.2 is this machine's own`},
	{remotes(`address: 10.0.0.1, vni: 7`, `address: 10.0.0.2, vni: 8`) + "\n  links: [{endpoints: [\"a:e\", d]}, {endpoints: [\"a:f\", d]}]", `4: topology.nodes.d: a remote is the end of one link`},
	{"  nodes: {a: }\ntests: [{ping: {from: b, to: 10.0.0.1}}]", `4: tests[0]: there is no node "b"`},
	{"  nodes: {a: }\ntests: [{ping: {from: a, to: c}}]", `4: tests[0]: "c" is neither an address nor a node`},
	{"  nodes: {a: }\ntests: [{ping: {from: a, to: 10.0.0.1, loss: 3}}]", `4: tests[0].ping.loss: "3" is not a share (want one such as 0.5%)`},
	{"  nodes: {a: }\ntests: [{exec: {node: a}}]", `4: tests[0].exec: run is missing`},
	{"  nodes: {a: }\ntests: [{}]", `4: tests[0]: a test is one of ping, exec and link`},
	{"  nodes: {a: &x {kind: host}}", `3: anchors, aliases and merge keys are not supported`},
	{"  nodes: {a: [}", `3: not YAML: `},
}

func links(list ...string) string {
	return "  nodes: {a: , b: }\n  links:\n    - " + strings.Join(list, "\n    - ")
}

func remotes(d, e string) string {
	return "  nodes:\n    d: {kind: remote, " + d + "}\n    e: {kind: remote, " + e + "}\n    a:"
}

func TestBad(t *testing.T) {
	for _, c := range bad {
		_, err := Parse("lab.yaml", []byte("name: x\ntopology:\n"+c.in+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "lab.yaml:"+c.want) {
			t.Errorf("%q:\n got %v\nwant lab.yaml:%s", c.in, err, c.want)
		}
	}
}

// All that is wrong is told at once, as somebody who brings a file of another
// program wants it.
func TestAllProblems(t *testing.T) {
	_, err := Parse("lab.yaml", []byte("name: x\nfoo: 1\ntopology:\n  nodes:\n    a: {kind: srl}\n    b: {bar: 1}\n"))
	p, ok := errors.AsType[*Problems](err)
	if !ok || len(p.Lines) != 3 {
		t.Fatalf("want three problems: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, in := range []string{"", "-a", "a/b", "..", strings.Repeat("a", 33), "a b"} {
		if NameProblem(in) == "" {
			t.Errorf("%q is taken for a lab's name", in)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		text    string
		in, out []float64
	}{
		{"<3%", []float64{0, 0.029}, []float64{0.03, 1}},
		{"<=3%", []float64{0, 0.03}, []float64{0.031}},
		{">50%", []float64{0.51, 1}, []float64{0.5}},
		{"1%..2%", []float64{0.01, 0.02}, []float64{0.009, 0.021}},
		{"0%", []float64{0}, []float64{0.001}},
		{"100%", []float64{1}, []float64{0.99}},
	} {
		s, err := parseSpan(c.text, 1, parseShare)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.in {
			if !s.Contains(v) {
				t.Errorf("%s does not contain %v", c.text, v)
			}
		}
		for _, v := range c.out {
			if s.Contains(v) {
				t.Errorf("%s contains %v", c.text, v)
			}
		}
	}
	for _, text := range []string{"", "<", "3", "x%", "2%..1%", "101%", "nan%"} {
		if s, err := parseSpan(text, 1, parseShare); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}

func TestArgs(t *testing.T) {
	for in, want := range map[string][]string{
		"":                         nil,
		" sleep  1d ":              {"sleep", "1d"},
		`sh -c "a 'b' \"c\" \\ d"`: {"sh", "-c", `a 'b' "c" \ d`},
		`a'b c'd\ e '' ""`:         {"ab cd e", "", ""},
		`'a\'`:                     {`a\`},
	} {
		got, err := (&Node{Command: in}).Args()
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", in, err, d)
		}
	}
	for _, in := range []string{`"`, `'a`, `a\`} {
		if got, err := (&Node{Command: in}).Args(); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	for _, c := range bad {
		f.Add([]byte("name: x\ntopology:\n" + c.in + "\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse("lab.yaml", data)
		if err != nil {
			return
		}
		again, err := Parse("again.yaml", got.Marshal())
		if err != nil {
			t.Fatalf("saved, it does not read: %v\n%s", err, got.Marshal())
		}
		if d := cmp.Diff(got, again, noNotes); d != "" {
			t.Fatalf("saved and read again (-want +got):\n%s", d)
		}
	})
}

// A topology that no file has is checked in words without lines.
func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*Topology){
		"link h1:eth1 - h2:eth9: h1:eth1 is an end of the link h1:eth1 - r1:p1 already": func(l *Topology) {
			l.Links = append(l.Links, Link{A: End{"h1", "eth1"}, B: End{"h2", "eth9"}})
		},
		`link h9:eth1 - h2:eth9: there is no node "h9"`: func(l *Topology) {
			l.Links = append(l.Links, Link{A: End{"h9", "eth1"}, B: End{"h2", "eth9"}})
		},
		"topology.nodes.h2.address.eth1: 10.0.0.1 is the address of h1:eth1 already, in the same Ethernet": func(l *Topology) {
			l.Node("h2").Interfaces = append(l.Node("h2").Interfaces, Interface{Name: "eth1", Address: []string{"10.0.0.1/24"}})
			l.Links = []Link{{A: End{"h1", "eth1"}, B: End{"h2", "eth1"}}}
			l.Nodes = l.Nodes[:2]
			l.Node("h2").Interfaces = l.Node("h2").Interfaces[1:]
			l.Tests = nil
		},
	} {
		l := parse(t, whole)
		if err := Check(l); err != nil {
			t.Fatal(err)
		}
		change(l)
		if err := Check(l); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// What is quoted in a saved file is what some reader of YAML would take for
// something else than a string.
func TestQuoted(t *testing.T) {
	for _, s := range []string{"h1", "eth1.100", "/bin/sh", "10.0.0.1", "10.0.0.1/24", "20ms", "0.1%", "10mbit", "512M"} {
		if got := quoted(s); got != s {
			t.Errorf("%s is written as %s", s, got)
		}
	}
	for _, s := range []string{"", "off", "No", "true", "7", "1e3", "0xa", "1.5", "h1:eth1", "<3%", "- a", "a b", "02:00:00:00:00:01", "a\nb", "*x", "#x"} {
		if got := quoted(s); got == s {
			t.Errorf("%q is written without quotes", s)
		}
	}
}
