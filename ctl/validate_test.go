package ctl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"weft/frame"
)

// What is wrong in one place of the file is so over the API: node/config's
// tests hold most messages. These are the rules at their edges.
func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, ok := range map[string]bool{
		"a": true, "7": true, "A.b-c_d": true, long: true,
		"": false, long + "a": false, "-a": false, ".a": false, "_a": false, "a b": false, "a/b": false, "ä": false, "a\n": false,
	} {
		err := NetworkSpec{Name: name, VNI: 1}.Validate()
		if (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
		if err != nil && (StatusOf(err) != 400 || len(err.Error()) > 300 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("name %q: %d %q", name, StatusOf(err), err)
		}
	}
	if err := (NetworkSpec{Name: strings.Repeat("x", 1<<20), VNI: 1}).Validate(); err == nil || len(err.Error()) > 400 {
		t.Error("a name of a megabyte is not cut in its message")
	}
}

func TestNetworkSpec(t *testing.T) {
	for _, c := range []struct {
		s     NetworkSpec
		field string
	}{
		{NetworkSpec{VNI: 1}, ""},
		{NetworkSpec{VNI: 1<<24 - 1, MTU: 65535, FDBLimit: 1 << 24, AgeSeconds: 1_000_000}, ""},
		{NetworkSpec{VNI: 1, MTU: 576, FDBLimit: 1, AgeSeconds: 1}, ""},
		{NetworkSpec{VNI: 0}, "vni"},
		{NetworkSpec{VNI: 1 << 24}, "vni"},
		{NetworkSpec{VNI: 1, MTU: 575}, "mtu"},
		{NetworkSpec{VNI: 1, MTU: 65536}, "mtu"},
		{NetworkSpec{VNI: 1, MTU: -1}, "mtu"},
		{NetworkSpec{VNI: 1, FDBLimit: -1}, "fdb_limit"},
		{NetworkSpec{VNI: 1, FDBLimit: 1<<24 + 1}, "fdb_limit"},
		{NetworkSpec{VNI: 1, AgeSeconds: -1}, "age_seconds"},
		{NetworkSpec{VNI: 1, AgeSeconds: 1_000_001}, "age_seconds"},
	} {
		c.s.Name = "blue"
		wantField(t, c.s, c.field)
	}
}

// wantField checks which field is at fault, "" for none.
func wantField(t *testing.T, s interface{ Validate() error }, field string) {
	t.Helper()
	err := s.Validate()
	var e *Error
	switch {
	case err == nil && field == "":
	case !errors.As(err, &e) || e.Field != field || e.Problem == "" || !strings.HasSuffix(e.Message, ": "+e.Field+": "+e.Problem):
		t.Errorf("%+v: got %#v, want one about %q", s, err, field)
	}
}

func TestPortSpec(t *testing.T) {
	for _, c := range []struct {
		s     PortSpec
		field string
	}{
		{PortSpec{}, ""},
		{PortSpec{Network: "-"}, "network"},
		{PortSpec{NetNS: "web1"}, ""},
		{PortSpec{NetNS: "4711"}, ""},
		{PortSpec{NetNS: "/proc/1/ns/net"}, ""},
		{PortSpec{NetNS: "0"}, "netns"},
		{PortSpec{NetNS: ".."}, "netns"},
		{PortSpec{NetNS: "run/netns/a"}, "netns"},
		{PortSpec{NetNS: "a b"}, "netns"},
		{PortSpec{NetNS: "/a\x00b"}, "netns"},
		{PortSpec{As: "abcdefghijklmno"}, ""},
		{PortSpec{As: "abcdefghijklmnop"}, "as"},
		{PortSpec{As: "."}, "as"},
		{PortSpec{As: ".."}, "as"},
		{PortSpec{As: "a:1"}, "as"},
		{PortSpec{As: "a\tb"}, "as"},
		{PortSpec{As: "a\x7f"}, "as"},
		{PortSpec{As: "tap%d"}, "as"},
		{PortSpec{MAC: "02-00-5e-10-00-01"}, ""},
		{PortSpec{MAC: "ff:ff:ff:ff:ff:ff"}, "mac"},
		{PortSpec{MAC: "00:00:00:00:00:00"}, "mac"},
		{PortSpec{MAC: "02:00:5e:10:00:01:02:03"}, "mac"},
		{PortSpec{Address: []string{"10.0.0.1/24", "fd00::1/64"}}, ""},
		{PortSpec{Address: []string{"10.0.0.1/24", "fd00::1"}}, "address[1]"},
		{PortSpec{Address: []string{"10.0.0.1/33"}}, "address[0]"},
		{PortSpec{Address: []string{"224.0.0.1/24"}}, "address[0]"},
		{PortSpec{Address: []string{"0.0.0.0/0"}}, "address[0]"},
		{PortSpec{Address: []string{"::ffff:10.0.0.1/120"}}, "address[0]"},
		{PortSpec{Address: []string{"fd00::1/64", "fd00:0::1/64"}}, "address[1]"},
		{PortSpec{MTU: 575}, "mtu"},
		{PortSpec{Access: 4094}, ""},
		{PortSpec{Access: 4095}, "access"},
		{PortSpec{Trunk: []string{"1", "20-4094"}, Native: 5}, ""},
		{PortSpec{Trunk: []string{"1", "20-4095"}}, "trunk[1]"},
		{PortSpec{Trunk: []string{"1"}, Native: 4095}, "native"},
		{PortSpec{Native: 5}, "native"},
		{PortSpec{Type: "tap"}, ""},
		{PortSpec{Type: "pipe"}, "type"},
		{PortSpec{Listen: "unix:/a"}, "listen"},
		{PortSpec{Type: "tap", Connect: "unix:/a"}, "connect"},
		{PortSpec{Type: "stream", Listen: "unix:/a", MTU: 1400, Access: 5}, ""},
		{PortSpec{Type: "stream", Connect: "tcp:host:1"}, ""},
		{PortSpec{Type: "stream", Listen: "tcp:[::1]:1"}, ""},
		{PortSpec{Type: "stream"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:/a", Connect: "unix:/b"}, "connect"},
		{PortSpec{Type: "stream", Listen: "unix:/a", NetNS: "x"}, "netns"},
		{PortSpec{Type: "stream", Listen: "unix:/a", As: "x"}, "as"},
		{PortSpec{Type: "stream", Listen: "unix:/a", MAC: "02:00:5e:10:00:01"}, "mac"},
		{PortSpec{Type: "stream", Listen: "unix:/a", Address: []string{"10.0.0.1/24"}}, "address"},
		{PortSpec{Type: "stream", Listen: "tcp:host:1"}, "listen"},
		{PortSpec{Type: "stream", Listen: "tcp:127.0.0.1:0"}, "listen"},
		{PortSpec{Type: "stream", Listen: "tcp:127.0.0.1:65536"}, "listen"},
		{PortSpec{Type: "stream", Listen: "tcp::1"}, "listen"},
		{PortSpec{Type: "stream", Listen: "udp:127.0.0.1:1"}, "listen"},
		{PortSpec{Type: "stream", Listen: "/a"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:a"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:/a/"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:@a"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:/a\x00b"}, "listen"},
		{PortSpec{Type: "stream", Listen: "unix:/" + strings.Repeat("a", 106)}, ""},
		{PortSpec{Type: "stream", Listen: "unix:/" + strings.Repeat("a", 107)}, "listen"},
		{PortSpec{Type: "dgram", Listen: "unix:/a", Connect: "unix:/b"}, ""},
		{PortSpec{Type: "dgram", Listen: "unix:/a", Connect: "unix:/a"}, "connect"},
		{PortSpec{Type: "dgram", Listen: "unix:/a", Connect: "udp:127.0.0.1:1"}, "connect"},
		{PortSpec{Type: "dgram", Listen: "tcp:127.0.0.1:1", Connect: "tcp:127.0.0.1:2"}, "listen"},
		{PortSpec{Type: "dgram", Connect: "unix:/b"}, "listen"},
		{PortSpec{Type: "vde", Listen: "unix:/a.ctl"}, ""},
		{PortSpec{Type: "vde", Connect: "unix:/a.ctl"}, "listen"},
		{PortSpec{Type: "vde", Listen: "unix:/a", Connect: "unix:/b"}, "connect"},
		{PortSpec{Type: "vde", Listen: "tcp:127.0.0.1:1"}, "listen"},
		{PortSpec{Type: "vde", Listen: "unix:/a", MAC: "02:00:00:00:00:01"}, "mac"},
		{PortSpec{Type: "dgram", Listen: "unix:/a"}, "connect"},
		{PortSpec{Access: 5, Native: 5}, "native"},
		{PortSpec{Access: 5, Trunk: []string{"1"}}, "access"},
	} {
		c.s.Name = "web"
		if c.s.Network == "" {
			c.s.Network = "blue"
		}
		wantField(t, c.s, c.field)
	}
	wantField(t, PortSpec{Name: "abcdefghijklmnop", Network: "blue"}, "as")
	wantField(t, PortSpec{Name: "abcdefghijklmnop", Network: "blue", As: "eth0"}, "")
	wantField(t, PortSpec{Name: "abcdefghijklmnop", Network: "blue", Type: "stream", Listen: "unix:/a"}, "")
}

func TestPeerAndFDBSpec(t *testing.T) {
	const mac = "02:00:5e:10:00:01"
	wantField(t, PeerSpec{Address: "10.0.0.1"}, "")
	wantField(t, PeerSpec{Address: "fe80::1%eth0", Networks: []string{"a", "b"}}, "")
	wantField(t, PeerSpec{}, "address")
	wantField(t, PeerSpec{Address: "255.255.255.255"}, "address")
	wantField(t, PeerSpec{Address: "ff02::1"}, "address")
	wantField(t, PeerSpec{Address: "::"}, "address")
	wantField(t, PeerSpec{Address: "::ffff:10.0.0.1"}, "address")
	wantField(t, PeerSpec{Address: "10.0.0.1", Networks: []string{"a", "-"}}, "networks[1]")
	wantField(t, PeerSpec{Address: "10.0.0.1", Networks: []string{"a", "a"}}, "networks[1]")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Port: "p"}, "")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Peer: "10.0.0.1", VLAN: 4094}, "")
	wantField(t, FDBSpec{Network: "a", MAC: mac}, "port")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Port: "p", Peer: "10.0.0.1"}, "peer")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Peer: "host"}, "peer")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Port: "-"}, "port")
	wantField(t, FDBSpec{MAC: mac, Port: "p"}, "network")
	wantField(t, FDBSpec{Network: "a", MAC: "01:00:5e:00:00:01", Port: "p"}, "mac")
	wantField(t, FDBSpec{Network: "a", MAC: mac, Port: "p", VLAN: 4095}, "vlan")
	wantField(t, VTEPSpec{Address: "fd00::1"}, "")
	wantField(t, VTEPSpec{Address: "0.0.0.0"}, "address")
	wantField(t, OffloadSpec{TAP: "auto", GSO: "off"}, "")
	wantField(t, OffloadSpec{GRO: "on"}, "gro")
}

func TestParseVLANs(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want string // formatted; "!" and the error
	}{
		{nil, ""},
		{[]string{"10"}, "10"},
		{[]string{"30", "10", "20-22", "21-24", "25"}, "10,20-25,30"},
		{[]string{"1-4094"}, "1-4094"},
		{[]string{"7-7"}, "7"},
		{[]string{"7", "8"}, "7-8"},
		{[]string{"0"}, `!"0": 0 is not a VLAN id (want 1 to 4094)`},
		{[]string{"4095"}, `!"4095": 4095 is not a VLAN id (want 1 to 4094)`},
		{[]string{"1", "99999"}, `!"99999": "99999" is not a VLAN id (want 1 to 4094)`},
		{[]string{"9-8"}, `!"9-8": not a VLAN id: the range runs backwards`},
		{[]string{"1-2-3"}, `!"1-2-3": "2-3" is not a VLAN id (want 1 to 4094)`},
		{[]string{"-5"}, `!"-5": "" is not a VLAN id (want 1 to 4094)`},
		{[]string{""}, `!"": "" is not a VLAN id (want 1 to 4094)`},
	} {
		ids, err := ParseVLANs(c.in)
		got := FormatVLANs(ids)
		if err != nil {
			got = "!" + err.Error()
			if !errors.Is(err, frame.ErrVLAN) {
				t.Errorf("%v: %v is not ErrVLAN", c.in, err)
			}
		}
		if got != c.want {
			t.Errorf("%v: got %s, want %s", c.in, got, c.want)
		}
		if !slices.IsSorted(ids) {
			t.Errorf("%v: not sorted: %v", c.in, ids)
		}
	}
}

func TestParseHostPort(t *testing.T) {
	for _, c := range []struct {
		in, address string
		port        uint16
	}{
		{"10.0.0.1", "10.0.0.1", 0},
		{"10.0.0.1:4790", "10.0.0.1", 4790},
		{"fd00:0::1", "fd00::1", 0},
		{"[fd00::1]", "fd00::1", 0},
		{"[fd00::1]:65535", "fd00::1", 65535},
		{"fe80::1%eth0", "fe80::1%eth0", 0},
		{"[fe80::1%eth0]:1", "fe80::1%eth0", 1},
		{"", "", 0},
		{":1", "", 0},
		{"host", "", 0},
		{"host:1", "", 0},
		{"10.0.0.1:", "", 0},
		{"10.0.0.1:0", "", 0},
		{"10.0.0.1:65536", "", 0},
		{"10.0.0.1:x", "", 0},
		{"[10.0.0.1]:1", "", 0},
		{"[10.0.0.1]", "", 0},
		{"[fd00::1", "", 0},
		{"10.0.0.1:+5", "", 0},
	} {
		address, port, err := ParseHostPort(c.in)
		if address != c.address || port != c.port || (err == nil) != (c.address != "") {
			t.Errorf("%q: %q %d %v", c.in, address, port, err)
		}
		if again, p, err := ParseHostPort(FormatHostPort(address, port)); address != "" && (again != address || p != port) {
			t.Errorf("%q: written and read again: %q %d %v", c.in, again, p, err)
		}
	}
}
