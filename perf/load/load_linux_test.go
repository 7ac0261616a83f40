package load

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"weft/internal/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// bridged is clients at a bridge of the kernel, client "a" at its port "pa" and
// so on.
func bridged(t testing.TB, n int) (*netnstest.Host, []End) {
	t.Helper()
	h := netnstest.NewHost(t, "switch")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := h.Netlink().LinkAdd(br); err != nil {
		t.Fatal(err)
	}
	h.SetUp(t, "br0")
	var ends []End
	for i := range n {
		name := string(rune('a' + i))
		addr := netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)})
		c := netnstest.NewHost(t, name)
		netnstest.Connect(t,
			netnstest.End{Host: h, IfName: "p" + name},
			netnstest.End{Host: c, IfName: "eth0", Addresses: []string{addr.String() + "/24"}}, 0)
		if err := h.Netlink().LinkSetMaster(link(t, h, "p"+name), br); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, End{Host: c, IfName: "eth0", Addr: addr, MAC: link(t, c, "eth0").Attrs().HardwareAddr})
	}
	return h, ends
}

func link(t testing.TB, h *netnstest.Host, name string) netlink.Link {
	t.Helper()
	l, err := h.Netlink().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func noLeaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

func TestTCP(t *testing.T) {
	_, c := bridged(t, 2)
	noLeaks(t)
	for _, streams := range []int{1, 8} {
		bps, err := TCP(t.Context(), c[0], c[1], streams, 2*minWarmUp)
		if err != nil || bps <= 0 {
			t.Errorf("%d streams: %v bits/s, %v", streams, bps, err)
		}
	}
}

// TestSocketsAreNotPolled: the runtime's poller does not know them, and so wakes
// nobody for what arrives.
func TestSocketsAreNotPolled(t *testing.T) {
	_, c := bridged(t, 2)
	noLeaks(t)
	conns, err := connect(t.Context(), c[0], c[1], 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conns[0].close()
	udp, err := connectUDP(c[0], c[1])
	if err != nil {
		t.Fatal(err)
	}
	defer udp.close()
	for _, f := range []*os.File{conns[0].client, conns[0].server, udp.client, udp.server} {
		if err := f.SetDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
			t.Errorf("a deadline can be set (%v), which takes the poller", err)
		}
	}
}

func TestRTT(t *testing.T) {
	_, c := bridged(t, 2)
	noLeaks(t)
	for _, proto := range []string{"tcp", "udp"} {
		for _, size := range []int{1, 1400, 20000} {
			l, err := RTT(t.Context(), c[0], c[1], proto, size, 50*time.Millisecond, FirstCPU)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", proto, size, err)
			}
			if l.Count == 0 || l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || l.Mean < l.Min || l.Mean > l.Max {
				t.Errorf("%s, %d bytes: not in order: %+v", proto, size, l)
			}
		}
	}
}

// TestRTTLoss: requests without an answer are counted and are no samples.
func TestRTTLoss(t *testing.T) {
	h, c := bridged(t, 2)
	noLeaks(t)
	timer := time.AfterFunc(answerWithin, func() { h.SetDown(t, "pb") })
	defer timer.Stop()
	l, err := RTT(t.Context(), c[0], c[1], "udp", 1, 5*answerWithin, AnyCPU)
	if err != nil {
		t.Fatal(err)
	}
	if l.Lost == 0 || l.Max >= answerWithin {
		t.Errorf("cut off half way: %+v", l)
	}
}

// TestCancel: what runs for an hour ends when its context does.
func TestCancel(t *testing.T) {
	_, c := bridged(t, 2)
	noLeaks(t)
	for name, f := range map[string]func(context.Context) error{
		"TCP": func(ctx context.Context) error {
			_, err := TCP(ctx, c[0], c[1], 2, time.Hour)
			return err
		},
		"RTT": func(ctx context.Context) error {
			_, err := RTT(ctx, c[0], c[1], "udp", 1, time.Hour, FirstCPU)
			return err
		},
		"Blast": func(ctx context.Context) error {
			_, err := Blast{From: c[0], To: c[1], FrameLen: 60, Rate: 1000, Duration: time.Hour}.Run(ctx)
			return err
		},
		"Learning": func(ctx context.Context) error {
			_, err := Learning{Learner: c[0], Tester: c[1], Monitor: c[1], Addresses: 1e6, Rate: 10}.Run(ctx)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestCPU(t *testing.T) {
	me := os.Getpid()
	c, err := StartCPU(me)
	if err != nil {
		t.Fatal(err)
	}
	// Both clocks tick at 100 Hz.
	netnstest.Poll(t, time.Minute, func() bool {
		for range 1 << 22 {
			trials.Load()
		}
		u, err := c.Stop()
		if err != nil {
			t.Fatal(err)
		}
		return u.Process[me] > 0.1 && u.Busy > 0.1 && u.Elapsed > 0
	}, "CPU time used")
	if _, err := StartCPU(1 << 30); err == nil {
		t.Error("no error for a process that is not there")
	}
}

func TestRSS(t *testing.T) {
	before, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	mem := make([]byte, size)
	for i := range mem {
		mem[i] = byte(i)
	}
	after, err := RSS(os.Getpid())
	if err != nil || after < before+size/2 || mem[1] != 1 {
		t.Errorf("%d bytes, then with %d more %d, %v", before, size, after, err)
	}
	if _, err := RSS(1 << 30); err == nil {
		t.Error("no error for a process that is not there")
	}
}
