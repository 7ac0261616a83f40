package e2e

import (
	"errors"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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

// A send socket whose buffer is full, because the underlay hardly takes its
// packets away: a counted drop, and the daemon goes on.
func TestSendBufferIsFull(t *testing.T) {
	hosts := underlay(t, "a")
	web := netnstest.NewHost(t, "web1")
	r := start(t, hosts[0], "--vtep", "10.99.0.1")
	r.weft("network add blue --vni 42")
	r.weft("port add blue web --netns web1 --as eth0")
	r.weft("peer add 10.99.0.2")
	if err := neighbourEntry(hosts[0], "10.99.0.2", "02:00:00:00:00:99"); err != nil {
		t.Fatal(err)
	}
	slowDown(t, hosts[0], "net0")

	frame := ethernet(broadcast, macX, 0, string(make([]byte, 1300)))
	batch := make([][]byte, 100)
	for i := range batch {
		batch[i] = frame
	}
	peer := func() ctl.Peer { return ask[[]ctl.Peer](r, "peer ls")[0] }
	netnstest.Poll(t, patience, func() bool {
		netnstest.Inject(t, web, "eth0", batch...)
		return peer().Drops["queue_full"] > 0
	}, "queue_full is counted")
	if p := peer(); p.State != ctl.StateUp {
		t.Errorf("the peer is %s (%s): a full buffer is no fault of the peer's", p.State, p.Reason)
	}
}

// slowDown has an interface send a kilobyte a second and queue the rest.
func slowDown(t *testing.T, h *netnstest.Host, ifname string) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Netlink().QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       1000, Buffer: netlink.Xmittime(1000, 100000), Limit: 100 << 20,
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no token bucket filter (sch_tbf) to make an underlay slow")
	}
	if err != nil {
		t.Fatal(err)
	}
}
