package e2e

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/ctl"
	"weft/internal/netnstest"
)

// machine is what a virtual machine is to a stream port: a connection, and a
// station that asks by ARP.
type machine struct {
	t    *testing.T
	conn net.Conn
}

func dialMachine(t *testing.T, network, address string) *machine {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &machine{t, c}
}

// request is an ARP request (RFC 826) from 10.77.0.9 for the last octet of
// 10.77.0.0, without padding.
func request(last byte) []byte {
	return append([]byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x08, 0x06,
		0, 1, 0x08, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 77, 0, 9,
	}, 0, 0, 0, 0, 0, 0, 10, 77, 0, last)
}

// isReply reports whether the frame answers it.
func isReply(f []byte, last byte) bool {
	return len(f) >= 42 && f[12] == 0x08 && f[13] == 0x06 && f[21] == 2 && f[31] == last
}

func (m *machine) send(frames ...[]byte) {
	m.t.Helper()
	var out []byte
	for _, f := range frames {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(f))), f...)
	}
	if _, err := m.conn.Write(out); err != nil {
		m.t.Fatal(err)
	}
}

// receive gives the next frame.
func (m *machine) receive() ([]byte, error) {
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(m.conn, size[:]); err != nil {
		return nil, err
	}
	f := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(m.conn, f)
	return f, err
}

// mustResolve asks for a neighbour until it answers.
func (m *machine) mustResolve(last byte) {
	m.t.Helper()
	m.send(request(last))
	for {
		f, err := m.receive()
		if err != nil {
			m.t.Fatalf("no answer: %v", err)
		}
		if isReply(f, last) {
			return
		}
	}
}

func (r *router) awaitPort(name, state string) {
	r.t.Helper()
	netnstest.Poll(r.t, patience, func() bool { return r.port(name).State == state }, "port "+name+" is "+state)
}

// lone is a daemon in the namespace "switch" with one client, 10.77.0.1, and a directory for sockets.
func lone(t *testing.T) (host *netnstest.Host, r *router, web *netnstest.Host, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-s") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	web = netnstest.NewHost(t, "web")
	host = netnstest.NewHost(t, "switch")
	r = start(t, host, "--name", "a")
	r.weft("network add blue --vni 42")
	r.weft("port add blue web --netns web --as eth0 --address 10.77.0.1/24")
	return host, r, web, dir
}

// A machine comes, goes and returns; its port and the counters stay.
func TestStreamPort(t *testing.T) {
	_, r, _, dir := lone(t)
	path := filepath.Join(dir, "vm.sock")
	r.weft("port add blue vm --type stream --listen unix:%s", path)
	if p := r.port("vm"); p.State != ctl.StateWaiting || p.Reason == "" || p.Type != "stream" || p.Listen != "unix:"+path {
		t.Errorf("%+v", p)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("%v, %v", info, err)
	}

	m := dialMachine(t, "unix", path)
	r.awaitPort("vm", ctl.StateUp)
	m.mustResolve(1)
	if at := r.where("02:00:00:00:00:09"); at != "vm" {
		t.Errorf("it is behind %q", at)
	}
	before := r.port("vm")

	// Not Close, which with a flooded frame unread would be a reset.
	if err := m.conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r.awaitPort("vm", ctl.StateWaiting)
	_ = m.conn.Close()
	if p := r.port("vm"); !strings.Contains(p.Reason, "closed") {
		t.Errorf("%+v", p)
	}
	if at := r.where("02:00:00:00:00:09"); at != "" {
		t.Errorf("it is still behind %q", at)
	}

	m = dialMachine(t, "unix", path)
	r.awaitPort("vm", ctl.StateUp)
	m.mustResolve(1)
	if p := r.port("vm"); p.RxFrames <= before.RxFrames || p.TxFrames <= before.TxFrames {
		t.Errorf("the counters began anew: %+v, were %+v", p, before)
	}

	second := dialMachine(t, "unix", path)
	if _, err := second.receive(); err == nil || os.IsTimeout(err) {
		t.Errorf("a second peer: %v, want it refused", err)
	}
	m.mustResolve(1)

	r.weft("port rm vm")
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

// A peer that breaks the protocol is cut off and counted, and the port waits
// for the next.
func TestStreamPortCutsOff(t *testing.T) {
	_, r, _, dir := lone(t)
	path := filepath.Join(dir, "vm.sock")
	r.weft("port add blue vm --type stream --listen unix:%s", path)
	m := dialMachine(t, "unix", path)
	m.mustResolve(1)
	if _, err := m.conn.Write([]byte{0, 1, 0, 1, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	r.awaitPort("vm", ctl.StateWaiting)
	if p := r.port("vm"); p.Drops["malformed"] != 1 || !strings.Contains(p.Reason, "65537") {
		t.Errorf("%+v", p)
	}
	dialMachine(t, "unix", path).mustResolve(1)
}

// A daemon removes its sockets when it ends, takes a dead one over, and leaves a
// live one alone.
func TestStreamSocketFiles(t *testing.T) {
	_, r, _, dir := lone(t)
	path, dead := filepath.Join(dir, "vm.sock"), filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	r.weft("port add blue vm --type stream --listen unix:%s", path)
	r.weft("port add blue vm2 --type stream --listen unix:%s", dead)
	r.weft("port add blue vm3 --type dgram --listen unix:%s/d --connect unix:%s/e", dir, dir)
	r.fails(1, "port add blue vm4 --type stream --listen unix:"+path, `port "vm" listens on`)
	r.weft("port add blue tcp --type stream --listen tcp:127.0.0.1:5000")
	r.fails(1, "port add blue vm4 --type stream --listen unix:"+dir+"/none/s", "there is no directory")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.fails(1, "port add blue vm4 --type stream --listen unix:"+dir+"/file", "is not a socket")
	r.fails(1, "port add blue vm4 --type stream --listen tcp:192.0.2.1:1", "listen on tcp:192.0.2.1:1", "cannot assign requested address")

	other := start(t, netnstest.NewHost(t, "other"), "--name", "b")
	other.weft("network add blue --vni 42")
	other.fails(1, "port add blue vm --type stream --listen unix:"+path, "in use by a running process")
	other.fails(1, "port add blue vm --type dgram --listen unix:"+dir+"/d --connect unix:"+dir+"/x", "in use by a running process")
	other.terminate()
	r.terminate()
	left, err := filepath.Glob(dir + "/*")
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Two daemons are one switch over a stream or a pair of datagram sockets,
// superframes and all, and again after one was started anew.
func TestJoinedBySockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "weft-s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, c := range map[string]struct{ a, b string }{
		"stream tcp":  {"--type stream --listen tcp:10.99.0.1:5000", "--type stream --connect tcp:10.99.0.1:5000"},
		"stream unix": {"--type stream --listen unix:" + dir + "/s", "--type stream --connect unix:" + dir + "/s"},
		"dgram udp": {
			"--type dgram --listen udp:10.99.0.1:5000 --connect udp:10.99.0.2:5001",
			"--type dgram --listen udp:10.99.0.2:5001 --connect udp:10.99.0.1:5000",
		},
		"dgram unix": {
			"--type dgram --listen unix:" + dir + "/a --connect unix:" + dir + "/b",
			"--type dgram --listen unix:" + dir + "/b --connect unix:" + dir + "/a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			hosts := underlay(t, "a", "b")
			web1, web2 := netnstest.NewHost(t, "web1"), netnstest.NewHost(t, "web2")
			a := start(t, hosts[0], "--name", "a")
			a.weft("network add blue --vni 42")
			a.weft("port add blue web --netns web1 --as eth0 --address 10.77.0.1/24")
			a.weft("port add blue trunk %s", c.a)
			join := func() *router {
				b := start(t, hosts[1], "--name", "b")
				b.weft("network add blue --vni 42")
				b.weft("port add blue trunk %s", c.b)
				b.weft("port add blue web --netns web2 --as eth0 --address 10.77.0.2/24")
				b.awaitPort("trunk", ctl.StateUp)
				return b
			}
			b := join()
			a.awaitPort("trunk", ctl.StateUp)
			web1.MustPing(t, "10.77.0.2", 2)
			netnstest.TransferTCP(t, web1, web2, "10.77.0.2", 4<<20)
			before := a.port("trunk")
			if len(before.Drops) == 1 && before.Drops["malformed"] > 0 {
				t.Errorf("%+v", before)
			}
			b.terminate()
			web1.MustNotPing(t, "10.77.0.2", quiet)
			a.awaitPort("trunk", ctl.StateWaiting)
			join()
			web1.MustPing(t, "10.77.0.2", 1)
			a.awaitPort("trunk", ctl.StateUp)
			if p := a.port("trunk"); p.TxFrames <= before.TxFrames {
				t.Errorf("the counters began anew: %+v, were %+v", p, before)
			}
		})
	}
}

// A file names ports of every type; applied again it changes nothing, and a port
// that changes its type is made anew.
func TestApplySockets(t *testing.T) {
	_, r, _, dir := lone(t)
	file := filepath.Join(dir, "weft.yaml")
	apply := func(port string) string {
		t.Helper()
		text := "name: a\nnetworks:\n  blue:\n    vni: 42\n    ports:\n" +
			"      web: {netns: web, as: eth0, address: [10.77.0.1/24]}\n      vm: " + port + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return r.weft("apply -f %s", file)
	}
	stream := "{type: stream, listen: unix:" + dir + "/vm}"
	if out := apply(stream); !strings.HasPrefix(out, "+ port vm: waiting") {
		t.Error(out)
	}
	m := dialMachine(t, "unix", dir+"/vm")
	m.mustResolve(1)
	if out := apply(stream); out != "nothing to change\n" {
		t.Error(out)
	}
	if out := apply(strings.Replace(stream, "}", ", mtu: 1300}", 1)); out != "~ port vm: mtu 1500 -> 1300\n" {
		t.Error(out)
	}
	m.mustResolve(1) // it was not disturbed
	want := "~ port vm: type stream -> dgram, listen unix:" + dir + "/vm -> unix:" + dir + "/a, connect default -> unix:" + dir + "/b"
	if out := apply("{type: dgram, listen: unix:" + dir + "/a, connect: unix:" + dir + "/b}"); !strings.HasPrefix(out, want) {
		t.Error(out)
	}
	var err error
	for err == nil { // what was flooded to the old port comes first
		_, err = m.receive()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection of the old port lives")
	}
	if err := os.WriteFile(file, []byte("networks:\n  blue:\n    vni: 42\n    ports:\n      a: "+stream+"\n      b: "+stream+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fails(1, "apply -f "+file, "weft.yaml:6: networks.blue.ports.b.listen: ", `where port "a" listens already`)
}
