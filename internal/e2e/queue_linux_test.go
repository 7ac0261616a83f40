package e2e

import (
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"weft/ctl"
	"weft/internal/netnstest"
)

// A receive socket that overflows while the daemon sleeps: what was lost is
// counted, and the daemon goes on.
func TestReceiveBufferOverflows(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	conn, err := p.hostB.DialUDP("10.99.0.1:4789")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	if err := p.a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The buffer is asked to be 8 MiB, of which the kernel lets each of these
	// datagrams take two pages or more.
	for range 30000 {
		if _, err := conn.Write(make([]byte, 1400)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// The kernel tells of losses with the next datagram that is received.
	netnstest.Poll(t, patience, func() bool {
		_, _ = conn.Write(make([]byte, 1400))
		drops := ask[ctl.Stats](p.a, "stats").Drops
		return drops["queue_full"] > 0 && drops["bad_vxlan_header"] > 0
	}, "the losses are counted")
	p.web1.MustPing(t, "10.77.0.2", 1)
}

// A send socket whose buffer is full, because the underlay does not take its
// packets away: a counted drop, and the daemon goes on.
func TestSendBufferIsFull(t *testing.T) {
	host, web := netnstest.NewHost(t, "a"), netnstest.NewHost(t, "web1")
	stuckUnderlay(t, host, "10.99.0.1/24", "10.99.0.2")
	r := start(t, host, "--vtep", "10.99.0.1")
	r.weft("network add blue --vni 42")
	r.weft("port add blue web --netns web1 --as eth0")
	r.weft("peer add 10.99.0.2")
	frame := ethernet(broadcast, macX, 0, string(make([]byte, 1300)))
	batch := make([][]byte, 100)
	for i := range batch {
		batch[i] = frame
	}
	netnstest.Poll(t, patience, func() bool {
		netnstest.Inject(t, web, "eth0", batch...)
		return ask[[]ctl.Peer](r, "peer ls")[0].Drops["queue_full"] > 0
	}, "queue_full is counted")
	if state := ask[[]ctl.Peer](r, "peer ls")[0].State; state != ctl.StateUp {
		t.Errorf("the peer is %s: a full buffer is no fault of the peer's", state)
	}
}

// stuckUnderlay makes an interface that queues packets for the neighbour and
// never sends one: a TAP that nobody reads.
func stuckUnderlay(t *testing.T, h *netnstest.Host, cidr, neighbour string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.TxQLen = "net0", 1000000
	tap := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Queues: 1, Flags: netlink.TUNTAP_DEFAULTS}
	err := h.Run(func() error { return netlink.LinkAdd(tap) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range tap.Fds {
			_ = fd.Close()
		}
	})
	if err := h.AddAddress("net0", cidr); err != nil {
		t.Fatal(err)
	}
	h.SetUp(t, "net0")
	if err := neighbourEntry(h, neighbour, "02:00:00:00:00:99"); err != nil {
		t.Fatalf("neighbour %s: %v", neighbour, err)
	}
}
