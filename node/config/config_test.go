package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weft/ctl"
	"weft/impair"
)

const whole = `
# All keys there are.
name: host1
vtep: {address: 10.99.0.1, port: 4790, strict: true}
peers:
  - 10.99.0.2
  - 10.99.0.3:4791
  - "[fd00::2]:4792"
  - fd00::3
  - {address: 10.99.0.4, port: 4793, networks: [blue]}
networks:
  blue:
    vni: 42
    mtu: 1400
    age: 5m
    fdb_limit: 1000
    port_fdb_limit: 100
    forward_reserved: true
    ports:
      web: {netns: web1, as: eth0, address: [10.77.0.1/24, "fd01::1/64"], mac: 02:00:5e:10:00:01, mtu: 1300}
      db:
        netns: 4711
        address: 10.77.0.2/24
        access: 10
  "7":
    vni: 0x2b
    ports:
      up: {trunk: [10, 20-29], native: 5}
      vm1: {type: stream, listen: unix:/run/vm1.sock}
      vm2: {type: dgram, listen: udp:127.0.0.1:5000, connect: udp:127.0.0.1:5001}
  bare: {vni: 44}
offload: {tap: off, gso: auto, gro: "off"}
`

func TestWhole(t *testing.T) {
	got, err := Parse("weft.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := ctl.Config{
		Name: "host1",
		VTEP: &ctl.VTEPSpec{Address: "10.99.0.1", Port: 4790, Strict: true},
		Peers: []ctl.PeerSpec{
			{Address: "10.99.0.2"},
			{Address: "10.99.0.3", Port: 4791},
			{Address: "fd00::2", Port: 4792},
			{Address: "fd00::3"},
			{Address: "10.99.0.4", Port: 4793, Networks: []string{"blue"}},
		},
		Networks: []ctl.NetworkSpec{
			{Name: "blue", VNI: 42, MTU: 1400, AgeSeconds: 300, FDBLimit: 1000, PortFDBLimit: 100, ForwardReserved: true},
			{Name: "7", VNI: 43},
			{Name: "bare", VNI: 44},
		},
		Ports: []ctl.PortSpec{
			{
				Name: "web", Network: "blue", NetNS: "web1", As: "eth0", MAC: "02:00:5e:10:00:01", MTU: 1300,
				Address: []string{"10.77.0.1/24", "fd01::1/64"},
			},
			{Name: "db", Network: "blue", NetNS: "4711", Address: []string{"10.77.0.2/24"}, Access: 10},
			{Name: "up", Network: "7", Trunk: []string{"10", "20-29"}, Native: 5},
			{Name: "vm1", Network: "7", Type: "stream", Listen: "unix:/run/vm1.sock"},
			{Name: "vm2", Network: "7", Type: "dgram", Listen: "udp:127.0.0.1:5000", Connect: "udp:127.0.0.1:5001"},
		},
		Offload: &ctl.OffloadSpec{TAP: "off", GSO: "auto", GRO: "off"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("config differs (-want +got):\n%s", d)
	}
}

func TestEmpty(t *testing.T) {
	for _, in := range []string{"", "\n", "# nothing\n", "---\n", "networks:\npeers:\n", "{}", "---\n# nothing\n"} {
		got, err := Parse("weft.yaml", []byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if d := cmp.Diff(ctl.Config{}, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", in, d)
		}
	}
}

// bad is a file, and the error that it gives behind "weft.yaml:".
var bad = []struct{ in, want string }{
	{"nam: a\n", `1: nam: unknown key (want one of name, networks, offload, peers, vtep, workers)`},
	{"- a\n", `1: a list where keys with values are wanted`},
	{"42\n", `1: a whole number where keys with values are wanted`},
	{"name: -x\n", `1: name: "-x" is not a name (want 1 to 63 letters, digits, "_", "." and "-", a letter or digit first)`},
	{"name: [a]\n", `1: name: a list where a string is wanted (put it in quotes)`},
	{"name: true\n", `1: name: true or false where a string is wanted (put it in quotes)`},
	{"name: ''\n", `1: name: is empty (leave the key out)`},
	{"name: a\nname: b\n", `2: name: is there twice`},
	{"name: a\n---\nname: b\n", `3: a second document begins here (one file describes one daemon)`},
	{"name: &x a\n", `1: anchors, aliases and merge keys are not supported (write the value out)`},
	{"name: *x\n", `1: anchors, aliases and merge keys are not supported (write the value out)`},
	{"name: a\n<<: {name: b}\n", `2: anchors, aliases and merge keys are not supported (write the value out)`},
	{"name: !!str a\n", `1: tags and directives are not supported (write the value alone)`},
	{"a: " + strings.Repeat("[", 100), `1: nested too deep`},
	{"a: " + strings.Repeat("{a: ", 100), `1: nested too deep`},
	{strings.Repeat("- ", 100) + "a", `1: nested too deep`},
	{"name: [a\n", `1: not YAML: `},
	{"name: \"a\n", `1: not YAML: `},
	{"\tname: a\n", `1: not YAML: `},

	{"vtep: 10.0.0.1\n", `1: vtep: a string where keys with values are wanted`},
	{"vtep: {adress: 10.0.0.1}\n", `1: vtep.adress: unknown key (want one of address, port, strict)`},
	{"vtep: {address: 10.0.0.256}\n", `1: vtep.address: "10.0.0.256" is not an IP address (want one such as 10.99.0.2 or fd00::2)`},
	{"vtep: {address: 0.0.0.0}\n", `1: vtep.address: "0.0.0.0" is not the address of one host`},
	{"vtep: {port: 4789}\n", `1: vtep.address: is missing`},
	{"vtep:\n  address: 10.0.0.1\n  port: 70000\n", `3: vtep.port: 70000 is out of range (want 1 to 65535)`},
	{"vtep: {address: 10.0.0.1, port: x}\n", `1: vtep.port: a string where a whole number is wanted`},
	{"vtep: {address: 10.0.0.1, strict: 1}\n", `1: vtep.strict: a whole number where true or false is wanted`},

	{"peers: 10.0.0.1\n", `1: peers: a string where a list is wanted`},
	{"peers: [10.0.0]\n", `1: peers[0]: "10.0.0" is not an IP address (want ADDR, IPV4:PORT or [IPV6]:PORT)`},
	{"peers:\n- 10.0.0.1\n- host\n", `3: peers[1]: "host" is not an IP address (want ADDR, IPV4:PORT or [IPV6]:PORT)`},
	{"peers: [10.0.0.1:0]\n", `1: peers[0]: "10.0.0.1:0": "0" is no UDP port (want 1 to 65535)`},
	{"peers: [10.0.0.1:99999]\n", `1: peers[0]: "10.0.0.1:99999": "99999" is no UDP port (want 1 to 65535)`},
	{"peers: [224.0.0.1]\n", `1: peers[0]: "224.0.0.1" is not the address of one host`},
	{"peers: [10.0.0.1, 10.0.0.2, 10.0.0.1]\n", `1: peers[2]: 10.0.0.1 is there twice`},
	{"peers: ['fd00::1', 'fd00:0::1']\n", `1: peers[1]: fd00::1 is there twice`},
	{"peers:\n- {port: 1}\n", `2: peers[0].address: is missing`},
	{"peers:\n- address: 10.0.0.1\n  networks: [blue]\n", `3: peers[0].networks[0]: there is no network "blue"`},
	{"peers: [{address: 10.0.0.1, vni: 3}]\n", `1: peers[0].vni: unknown key (want one of address, networks, port)`},

	{"networks: [blue]\n", `1: networks: a list where keys with values are wanted`},
	{"networks:\n  blue:\n", `2: networks.blue.vni: is missing (want 1 to 16777215, the same on every host)`},
	{"networks:\n  'b l': {vni: 1}\n", `2: networks.b l: "b l" is not a name (want 1 to 63 letters, digits, "_", "." and "-", a letter or digit first)`},
	{"networks: {blue: {vni: 0}}\n", `1: networks.blue.vni: 0 is out of range (want 1 to 16777215)`},
	{"networks: {blue: {vni: 16777216}}\n", `1: networks.blue.vni: 16777216 is out of range (want 1 to 16777215)`},
	{"networks: {blue: {vni: -1}}\n", `1: networks.blue.vni: -1 is out of range (want 1 to 16777215)`},
	{"networks: {blue: {vni: 99999999999999999999}}\n", `1: networks.blue.vni: `},
	{"networks: {blue: {vni: '42'}}\n", `1: networks.blue.vni: a string where a whole number is wanted`},
	{"networks:\n  red: {vni: 42}\n  blue:\n    vni: 42\n", `4: networks.blue.vni: 42 is in use by "red"`},
	{"networks:\n  red: {vni: 42}\n  red: {vni: 43}\n", `3: networks.red: is there twice`},
	{"networks:\n  red: {vni: 42}\n  \"red\": {vni: 43}\n", `3: networks.red: is there twice`},
	{net("mtu: 100"), `3: networks.blue.mtu: 100 is out of range (want 576 to 65535)`},
	{net("mtu: -1"), `3: networks.blue.mtu: -1 is out of range (want 576 to 65535)`},
	{net("age: 300"), `3: networks.blue.age: "300" is not a duration in whole seconds (want one such as 300s)`},
	{net("age: 1500ms"), `3: networks.blue.age: "1500ms" is not a duration in whole seconds (want one such as 300s)`},
	{net("age: -5s"), `3: networks.blue.age: -5s is out of range (want 1s to 1000000s)`},
	{net("age: 9999h"), `3: networks.blue.age: 9999h is out of range (want 1s to 1000000s)`},
	{net("fdb_limit: 0"), `3: networks.blue.fdb_limit: 0 is out of range (want 1 to 16777216)`},
	{net("vnl: 0"), `3: networks.blue.vnl: unknown key (want one of age, fdb_limit, forward_reserved, mtu, no_learning, port_fdb_limit, ports, vni)`},

	{port("adress: x"), `6: networks.blue.ports.web.adress: unknown key (want one of access, address, as, connect, impair, listen, mac, mtu, native, netns, trunk, type)`},
	{port("address: 10.0.0.1"), `6: networks.blue.ports.web.address: "10.0.0.1" is not an address with its prefix length (want one such as 10.77.0.1/24)`},
	{port("address: [10.0.0.1/24, 10.0.0.1/33]"), `6: networks.blue.ports.web.address[1]: "10.0.0.1/33" is not an address with its prefix length (want one such as 10.77.0.1/24)`},
	{port("address: [10.0.0.1/24, 10.0.0.1/24]"), `6: networks.blue.ports.web.address[1]: "10.0.0.1/24" is there twice`},
	{port("mac: 01:00:5e:00:00:01"), `6: networks.blue.ports.web.mac: 01:00:5e:00:00:01 is a group address (want a station's: its first octet is even)`},
	{port("mac: 00:00:00:00:00:00"), `6: networks.blue.ports.web.mac: 00:00:00:00:00:00 is the address of no station`},
	{port("mac: 02:00"), `6: networks.blue.ports.web.mac: "02:00" is not a MAC address (want six octets such as 02:00:5e:10:00:01)`},
	{port("as: abcdefghijklmnop"), `6: networks.blue.ports.web.as: "abcdefghijklmnop" is longer than the 15 characters of an interface's name`},
	{port("as: a/b"), `6: networks.blue.ports.web.as: "a/b" cannot be an interface's name (no space, "/", ":" or "%")`},
	{port("as: 'a b'"), `6: networks.blue.ports.web.as: "a b" cannot be an interface's name (no space, "/", ":" or "%")`},
	{port("as: tap%d"), `6: networks.blue.ports.web.as: "tap%d" cannot be an interface's name (no space, "/", ":" or "%")`},
	{port("netns: a/b"), `6: networks.blue.ports.web.netns: "a/b" is no network namespace (want a name, a process id, or a path from /)`},
	{port("netns: -1"), `6: networks.blue.ports.web.netns: "-1" is no network namespace (want a name, a process id, or a path from /)`},
	{port("access: 4095"), `6: networks.blue.ports.web.access: 4095 is out of range (want 1 to 4094)`},
	{port("native: 5"), `6: networks.blue.ports.web.native: only a trunk has a native VLAN (give trunk too, or access instead)`},
	{port("trunk: 10"), `6: networks.blue.ports.web.trunk: a whole number where a list is wanted`},
	{port("trunk: [10, 0]"), `6: networks.blue.ports.web.trunk[1]: "0": 0 is not a VLAN id (want 1 to 4094)`},
	{port("trunk: [29-20]"), `6: networks.blue.ports.web.trunk[0]: "29-20": not a VLAN id: the range runs backwards`},
	{port("trunk: [1]\n        access: 2"), `7: networks.blue.ports.web.access: a port is either access or trunk, not both`},
	{port("impair: {loss: 0.5}"), `6: networks.blue.ports.web.impair.loss: "0.5" is no percentage (want one from 0% to 100%, such as 0.1%)`},
	{port("impair: {jitter: 1ms}"), `6: networks.blue.ports.web.impair.jitter: 1ms is more than the delay of 0s (no frame arrives before it was sent)`},
	{port("impair:\n          from:\n            delay: 1ms\n            limit: 5"), `9: networks.blue.ports.web.impair.from.limit: frames wait for a rate, and there is none (give rate too)`},
	{port("impair: {to: {loss: 1%}, loss: 1%}"), `6: networks.blue.ports.web.impair.loss: unknown key (want one of from, to)`},
	{port("impair: {los: 1%}"), `6: networks.blue.ports.web.impair.los: unknown key (want one of burst, corrupt, delay, `},
	{port("impair: {delay: [1ms]}"), `6: networks.blue.ports.web.impair.delay: a list where a string or a number is wanted`},
	{port("impair: 20ms"), `6: networks.blue.ports.web.impair: a string where keys with values are wanted`},
	{
		"networks: {blue: {vni: 1, ports: {a-very-long-port: }}}\n",
		`1: networks.blue.ports.a-very-long-port.as: must be given, for the port's own name is longer than the 15 characters of an interface's`,
	},
	{
		"networks:\n  red: {vni: 1, ports: {web: }}\n  blue:\n    vni: 2\n    ports:\n      web:\n",
		`6: networks.blue.ports.web: "web" is a port of network "red" already (port names are unique across networks)`,
	},
	{
		"networks:\n  red: {vni: 1, ports: {a: {netns: n, as: eth0}}}\n  blue: {vni: 2, ports: {b: {netns: m, as: eth0}, c: {netns: n, as: eth0}}}\n",
		`3: networks.blue.ports.c.as: interface "eth0" of the same namespace is port "a" already`,
	},
	{"offload: {tap: on}\n", `1: offload.tap: "on" is not a setting (want auto, off or portable)`},
	{"offload: {gso: portable}\n", `1: offload.gso: "portable" is not a setting (want auto or off)`},
	{"offload: {tso: off}\n", `1: offload.tso: unknown key (want one of gro, gso, io_uring, priority, spin, tap, tunnel_gso)`},
}

func net(line string) string { return "networks:\n  blue:\n    " + line + "\n    vni: 42\n" }

func port(line string) string {
	return "networks:\n  blue:\n    vni: 42\n    ports:\n      web: \n        " + line + "\n"
}

func TestBad(t *testing.T) {
	for _, c := range bad {
		got, err := Parse("weft.yaml", []byte(c.in))
		if err == nil {
			t.Errorf("%q: no error", c.in)
			continue
		}
		if !strings.HasPrefix(err.Error(), "weft.yaml:"+c.want) {
			t.Errorf("%q:\n got %s\nwant weft.yaml:%s", c.in, err, c.want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a line: %q", c.in, err)
		}
		if d := cmp.Diff(ctl.Config{}, got); d != "" {
			t.Errorf("%q: an error and a config:\n%s", c.in, d)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "weft.yaml")
	if err := os.WriteFile(path, []byte("name: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path); err != nil || c.Name != "a" {
		t.Errorf("%+v, %v", c, err)
	}
	none := filepath.Join(dir, "none")
	if _, err := Load(none); err == nil || err.Error() != "read configuration "+none+": no such file or directory" {
		t.Error(err)
	}
	if _, err := Load(dir); err == nil || err.Error() != "read configuration "+dir+": is a directory" {
		t.Error(err)
	}
	if _, err := Load("/dev/zero"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	for _, c := range bad {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("weft.yaml", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("read, but not valid: %v", err)
		}
	})
}

func TestImpair(t *testing.T) {
	spec := impair.Spec{Delay: 20 * time.Millisecond, Loss: 0.01, Burst: 2.5, Rate: 10_000_000, Limit: 1000, Seed: 7}
	for in, want := range map[string]impair.Both{
		"impair: {delay: 20ms, loss: 1%, burst: 2.5, rate: 10mbit, limit: 1000, seed: 7}":           {To: spec, From: spec},
		"impair: {to: {delay: 20ms, loss: '1%', burst: '2.5', rate: 10mbit, limit: 1000, seed: 7}}": {To: spec},
		"impair: {from: {loss: 5%}, to: }": {From: impair.Spec{Loss: 0.05}},
		"impair: {}":                       {},
	} {
		c, err := Parse("weft.yaml", []byte(port(in)))
		if err != nil || c.Ports[0].Impair != want {
			t.Errorf("%s: %+v, %v", in, c.Ports, err)
		}
	}
}
