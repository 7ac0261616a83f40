package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// A namespace that is destroyed takes its port down and no other; when it
// returns, so does the port, with the same MAC.
func TestNamespaceVanishesAndReturns(t *testing.T) {
	p := newPair(t)
	other := netnstest.NewHost(t, "other")
	p.b.weft("port add blue other --netns other --as eth0 --address 10.77.0.3/24")
	p.web1.MustPing(t, "10.77.0.2", 1)
	mac := p.b.port("web").MAC

	if err := p.web2.Close(); err != nil {
		t.Fatal(err)
	}
	netnstest.Poll(t, patience, func() bool { return p.b.port("web").State == ctl.StateDown }, "the port is down")
	if reason := p.b.port("web").Reason; reason == "" {
		t.Error("port ls does not say why")
	}
	if at := p.b.where(mac); at != "" {
		t.Errorf("its address is still behind %q", at)
	}
	p.web1.MustPing(t, "10.77.0.3", 1)

	netnstest.NewHost(t, "web2")
	netnstest.Poll(t, patience, func() bool { return p.b.port("web").State == ctl.StateUp }, "the port is up")
	if got := p.b.port("web").MAC; got != mac {
		t.Errorf("it came back as %s, was %s", got, mac)
	}
	p.web1.MustPing(t, "10.77.0.2", 1)
	other.MustPing(t, "10.77.0.2", 1)
}

// An interface that is set down is shown, and its port alone suffers.
func TestInterfaceSetDown(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	p.web2.SetDown(t, "eth0")
	p.web1.MustNotPing(t, "10.77.0.2", quiet)
	netnstest.Poll(t, patience, func() bool {
		_, _ = p.web1.Ping("10.77.0.2", 1, quiet)
		port := p.b.port("web")
		return port.State == ctl.StateDown && port.Drops["port_down"] > 0
	}, "the port is shown as down")
	p.web2.SetUp(t, "eth0")
	p.web1.MustPing(t, "10.77.0.2", 1)
	if port := p.b.port("web"); port.State != ctl.StateUp {
		t.Errorf("state %s, %s", port.State, port.Reason)
	}
}

// When the underlay is down its peers are unreachable and local traffic goes
// on; when it is up again, so are they.
func TestUnderlayDown(t *testing.T) {
	p := newPair(t)
	local := netnstest.NewHost(t, "local")
	p.a.weft("port add blue local --netns local --as eth0 --address 10.77.0.4/24")
	p.web1.MustPing(t, "10.77.0.2", 1)
	peer := func() ctl.Peer { return ask[[]ctl.Peer](p.a, "peer ls")[0] }

	p.hostA.SetDown(t, "net0")
	netnstest.Poll(t, patience, func() bool { return peer().State == ctl.StateUnreachable }, "the peer is unreachable")
	if peer().Reason == "" {
		t.Error("peer ls does not say why")
	}
	local.MustPing(t, "10.77.0.1", 1)
	netnstest.Poll(t, patience, func() bool {
		_, _ = p.web1.Ping("10.77.0.2", 1, quiet)
		return peer().Drops["peer_unreachable"] > 0
	}, "drops are counted")

	p.hostA.SetUp(t, "net0")
	netnstest.Poll(t, patience, func() bool { return peer().State == ctl.StateUp }, "the peer is reachable")
	p.web1.MustPing(t, "10.77.0.2", 1)
}

// When the underlay's MTU changes, networks that set none follow.
func TestUnderlayMTUChanges(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	setMTU(t, p.hostA, "net0", 1400)
	netnstest.Poll(t, patience, func() bool { return p.a.port("web").MTU == 1350 }, "the port's MTU follows")
	link, err := p.web1.Netlink().LinkByName("eth0")
	if err != nil || link.Attrs().MTU != 1350 {
		t.Errorf("the interface's MTU: %v, %v", link.Attrs().MTU, err)
	}
	netnstest.TransferTCP(t, p.web1, p.web2, "10.77.0.2", 1<<20)
}

// A socket that a live daemon serves is refused; one that a dead one left is
// taken over.
func TestSocketOfAnotherDaemon(t *testing.T) {
	h := netnstest.NewHost(t, "a")
	r := start(t, h)
	info, err := os.Stat(r.socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket mode %v, %v, want 0660", info.Mode(), err)
	}
	second := launch(t, h, r.socket)
	<-second.ended
	if code := second.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(second.logText(), "already serves "+r.socket) {
		t.Errorf("a second daemon ended with %d, %q", code, second.logText())
	}
	r.weft("status")

	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if _, err := os.Lstat(r.socket); err != nil {
		t.Fatalf("the killed daemon left no socket: %v", err)
	}
	third := launch(t, h, r.socket)
	third.await()
	third.weft("network add blue --vni 1")
	third.terminate()
	if left, err := os.ReadDir(filepath.Dir(r.socket)); err != nil || len(left) != 0 {
		t.Errorf("left beside the socket: %v, %v", left, err)
	}
}

// A killed daemon leaves no interface: they go with its descriptors.
func TestKilledDaemonLeavesNoInterface(t *testing.T) {
	p := newPair(t)
	if err := p.a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.a.ended
	netnstest.Poll(t, patience, func() bool { return !hasInterface(p.web1) }, "the interface is gone")
}
