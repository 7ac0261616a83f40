package e2e

import (
	"os"
	"strings"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// The README's example: two hosts, one Ethernet.
func TestByHand(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 3)

	peer := p.b.port("web").MAC
	if got := p.a.where(peer); got != "10.99.0.2" {
		t.Errorf("fdb: %s is behind %q, want the VTEP 10.99.0.2", peer, got)
	}
	if out := p.a.weft("fdb ls blue"); !strings.Contains(out, peer) || !strings.Contains(out, "10.99.0.2") {
		t.Errorf("weft fdb ls blue shows no %s behind 10.99.0.2:\n%s", peer, out)
	}
	netnstest.TransferTCP(t, p.web1, p.web2, "10.77.0.2", 32<<20)
	netnstest.UDPEcho(t, p.web1, p.web2, "10.77.0.2", 1, 1422, 8192)
}

// What the control surface promises of counters: frames as they are on a wire.
func TestCountersAreOfWireFrames(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	const size = 8 << 20
	netnstest.TransferTCP(t, p.web1, p.web2, "10.77.0.2", size)
	port, peers := p.a.port("web"), ask[[]ctl.Peer](p.a, "peer ls")
	if len(peers) != 1 {
		t.Fatalf("peer ls: %v", peers)
	}
	// 1450 bytes of MTU leave at most 1410 for the payload of a segment.
	if least := uint64(size / 1410); port.RxFrames < least || peers[0].TxFrames < least {
		t.Errorf("%d bytes were %d frames from the port and %d to the peer, want at least %d", size, port.RxFrames, peers[0].TxFrames, least)
	}
	if mean := port.RxBytes / port.RxFrames; mean > 1464 {
		t.Errorf("a frame has %d bytes on average, more than fit on the wire", mean)
	}
}

// The same MACs and subnets in two networks: nothing leaks.
func TestNetworksAreIsolated(t *testing.T) {
	hosts := underlay(t, "a", "b")
	a := start(t, hosts[0], "--vtep", "10.99.0.1")
	b := start(t, hosts[1], "--vtep", "10.99.0.2")
	a.weft("peer add 10.99.0.2")
	b.weft("peer add 10.99.0.1")
	client := map[string]*netnstest.Host{}
	for i, network := range []string{"red", "blue"} {
		for j, r := range []*router{a, b} {
			name := network + []string{"1", "2"}[j]
			client[name] = netnstest.NewHost(t, name)
			r.weft("network add %s --vni %d", network, 10+i)
			r.weft("port add %s %s --netns %s --as eth0 --mac 02:00:00:00:00:0%d --address 10.77.0.%d/24", network, name, name, j+1, j+1)
		}
	}
	// Only red's server listens: blue must not reach it by the same address.
	capture := netnstest.NewCapture(t, client["blue2"], "eth0")
	client["red1"].MustPing(t, "10.77.0.2", 3)
	netnstest.TransferTCP(t, client["red1"], client["red2"], "10.77.0.2", 1<<20)
	capture.Never(isIPv4, quiet)
	client["blue1"].MustPing(t, "10.77.0.2", 3)
	for _, r := range []*router{a, b} {
		for _, n := range ask[[]ctl.Network](r, "network ls") {
			if n.FDBEntries != 2 || n.Ports != 1 || n.Peers != 1 {
				t.Errorf("network %s: %+v, want 2 addresses, 1 port, 1 peer", n.Name, n)
			}
		}
	}
}

// A port's namespace by name, by process id and by path.
func TestNamespacesByNamePIDAndPath(t *testing.T) {
	host := netnstest.NewHost(t, "a")
	r := start(t, host)
	r.weft("network add blue --vni 1")
	byName, byPath, byPID := netnstest.NewHost(t, "n1"), netnstest.NewHost(t, "n2"), netnstest.NewHost(t, "n3")
	sleeper := sleeperIn(t, byPID)
	r.weft("port add blue p1 --netns n1 --as eth0 --address 10.1.0.1/24")
	r.weft("port add blue p2 --netns %s --as eth0 --address 10.1.0.2/24", byPath.Path())
	r.weft("port add blue p3 --netns %d --as eth0 --address 10.1.0.3/24", sleeper)
	r.weft("port add blue p4 --address 10.1.0.4/24")
	byName.MustPing(t, "10.1.0.2", 1)
	byPath.MustPing(t, "10.1.0.3", 1)
	byPID.MustPing(t, "10.1.0.4", 1)
	host.MustPing(t, "10.1.0.1", 1)
}

// Interfaces are made outside and moved in; the name that one has on its way
// may be taken in the namespace.
func TestInterfaceNamesOnTheirWay(t *testing.T) {
	r := start(t, netnstest.NewHost(t, "a"))
	web := netnstest.NewHost(t, "web1")
	r.weft("network add blue --vni 1")
	for i := range 3 {
		r.weft("port add blue p%d --netns web1 --as weft%d", i, i)
	}
	r.weft("port add blue p3 --netns web1 --as eth0")
	r.fails(1, "port add blue p4 --netns web1 --as weft1", "weft1", "exists")
	if !hasInterface(web) {
		t.Error("eth0 is missing")
	}
	if ports := ask[[]ctl.Port](r, "port ls"); len(ports) != 4 {
		t.Errorf("%d ports, want 4", len(ports))
	}
}

// Removing a port removes its interface; ending the daemon removes everything.
func TestNothingIsLeftBehind(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	p.b.weft("port rm web")
	if hasInterface(p.web2) {
		t.Error("the interface outlived its port")
	}
	p.a.terminate()
	if hasInterface(p.web1) {
		t.Error("the interface outlived the daemon")
	}
	if _, err := os.Lstat(p.a.socket); !os.IsNotExist(err) {
		t.Errorf("the socket outlived the daemon: %v", err)
	}
	if left, err := os.ReadDir(dirOf(p.a.socket)); err != nil || len(left) != 0 {
		t.Errorf("left beside the socket: %v, %v", left, err)
	}
}
