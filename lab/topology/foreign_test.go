package topology

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A file in which much is that only containerlab knows reads, with a line for
// each thing that is left out, and gives the lab that is meant.
func TestForeign(t *testing.T) {
	as := As{}
	if err := as.Add("nokia_srlinux=host,linux=host"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "fabric.clab.yml")
	got, err := Load(path, as)
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, `
name: fabric
topology:
  nodes:
    leaf1: {}
    leaf2: {}
    spine: {exec: [sysctl -w net.ipv4.ip_forward=1]}
    c1: {env: {SITE: north}, exec: [ip link set eth1 up], address: {eth1: [10.0.1.2/24, "fd00:1::2/64"]}}
    c2: {env: {SITE: south}, exec: [ip link set eth1 up], mac: {eth1: "02:00:00:00:00:02"}, address: {eth1: 10.0.2.2/24}}
    br: {kind: switch}
  links:
    - {endpoints: ["leaf1:e1-1", "spine:e1-1"], mtu: 9500}
    - endpoints: ["leaf2:e1-1", "spine:e1-2"]
    - endpoints: ["c1:eth1", "leaf1:e1-2"]
    - endpoints: ["c2:eth1", "leaf2:e1-2"]
    - endpoints: ["c1:eth2", "br:c1"]
    - endpoints: ["c2:eth2", "br:c2"]
`)
	want.Node("leaf1").Interfaces = []Interface{{Name: "e1-2", Address: []string{"10.0.1.1/24", "fd00:1::1/64"}}}
	want.Node("leaf2").Interfaces = []Interface{{Name: "e1-2", Address: []string{"10.0.2.1/24"}}}
	if d := cmp.Diff(want, got, noNotes); d != "" {
		t.Errorf("topology differs (-want +got):\n%s", d)
	}
	notes := []string{
		"4: mgmt", "10: topology.kinds.nokia_srlinux.type", "14: topology.groups.clients.healthcheck",
		"19: topology.nodes.leaf1.startup-config", "20: topology.nodes.leaf1.mgmt-ipv4", "23: topology.nodes.spine.image",
		"29: topology.nodes.c1.ports", "30: topology.nodes.c1.binds",
	}
	for _, n := range notes {
		line := path + ":" + n + ": has no meaning here and is left out"
		if strings.Contains(n, "startup-config") { // the only one of two nodes
			line += " (and 1 more)"
		}
		if !slices.Contains(got.Notes, line) {
			t.Errorf("no note %q in\n%s", n, strings.Join(got.Notes, "\n"))
		}
	}
	if len(got.Notes) != len(notes) {
		t.Errorf("%d notes, want %d:\n%s", len(got.Notes), len(notes), strings.Join(got.Notes, "\n"))
	}
}

// A link of type vxlan is one to a node of kind remote.
func TestForeignVXLAN(t *testing.T) {
	got := parse(t, `
name: x
topology:
  nodes: {a: }
  links:
    - {type: vxlan, endpoint: {node: a, interface: e1, mac: "02:00:00:00:00:04"}, remote: 192.0.2.1, vni: 100, udp-port: 5555}
    - {type: vxlan-stitch, endpoint: {node: a, interface: e2}, remote: 192.0.2.1, vni: 101, udp-port: 5555}
`)
	want := parse(t, `
name: x
topology:
  nodes:
    a: {mac: {e1: "02:00:00:00:00:04"}}
    vxlan100: {kind: remote, address: "192.0.2.1:5555", vni: 100, vtep: {port: 5555}}
    vxlan101: {kind: remote, address: "192.0.2.1:5555", vni: 101, vtep: {port: 5555}}
  links:
    - endpoints: ["a:e1", vxlan100]
    - endpoints: ["a:e2", vxlan101]
`)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("topology differs (-want +got):\n%s", d)
	}
	if got := parse(t, "name: x\ntopology: {nodes: {a: }, links: [{type: vxlan, endpoint: {node: a, interface: e}, remote: 192.0.2.1, vni: 1}]}"); got.VTEP().Port != 14789 {
		t.Errorf("the port is %d, containerlab's is 14789", got.VTEP().Port)
	}
}

// Without --kind the boxes of a vendor are named, each kind once, with its line.
func TestForeignKinds(t *testing.T) {
	path := filepath.Join("testdata", "fabric.clab.yml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("f.yml", data)
	want := `f.yml:9: topology.kinds.nokia_srlinux: unknown kind "nokia_srlinux"`
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v\nwant a line with %s", err, want)
	}
	for _, s := range []string{"", "=host", "srl", "srl=", "srl=linux", "a=host,b"} {
		if err := (As{}).Add(s); err == nil {
			t.Errorf("--kind %q is taken", s)
		}
	}
}

// A kind that is ours does not become a meaning for a key that it has none for.
func TestForeignKeyOfOwnKind(t *testing.T) {
	_, err := Parse("f.yml", []byte("name: x\ntopology:\n  nodes:\n    a: {kind: host, image: disk.img}\n"))
	if err == nil || !strings.Contains(err.Error(), "f.yml:4: topology.nodes.a.image: a node of kind host has no such key") {
		t.Errorf("%v", err)
	}
}
