package load

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"weft/internal/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// wire is two clients on one cable.
func wire(t testing.TB) (a, b End) {
	t.Helper()
	ha, hb := netnstest.NewHost(t, "a"), netnstest.NewHost(t, "b")
	netnstest.Connect(t,
		netnstest.End{Host: ha, IfName: "eth0", Addresses: []string{"10.1.0.1/24"}},
		netnstest.End{Host: hb, IfName: "eth0", Addresses: []string{"10.1.0.2/24"}}, 0)
	return client(t, ha, "10.1.0.1"), client(t, hb, "10.1.0.2")
}

func client(t testing.TB, h *netnstest.Host, addr string) End {
	t.Helper()
	l, err := h.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	return End{Host: h, IfName: "eth0", Addr: netip.MustParseAddr(addr), MAC: l.Attrs().HardwareAddr}
}

// bridged is some clients on a bridge of the kernel. It also gives the bridge's host,
// where client i is at port "p"+i.
func bridged(t testing.TB, n int) (*netnstest.Host, []End) {
	t.Helper()
	h := netnstest.NewHost(t, "br")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	if err := h.Netlink().LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatal(err)
	}
	br, err := h.Netlink().LinkByName("br0")
	if err != nil {
		t.Fatal(err)
	}
	h.SetUp(t, "br0")
	var ends []End
	for i := range n {
		name := string(rune('a' + i))
		addr := netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}).String()
		c := netnstest.NewHost(t, name)
		netnstest.Connect(t,
			netnstest.End{Host: h, IfName: "p" + name},
			netnstest.End{Host: c, IfName: "eth0", Addresses: []string{addr + "/24"}}, 0)
		p, err := h.Netlink().LinkByName("p" + name)
		if err == nil {
			err = h.Netlink().LinkSetMaster(p, br)
		}
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, client(t, c, addr))
	}
	return h, ends
}

func TestTCP(t *testing.T) {
	a, b := wire(t)
	for _, streams := range []int{1, 8} {
		bps, err := TCP(t.Context(), a, b, streams, 500*time.Millisecond)
		if err != nil || bps <= 0 {
			t.Errorf("%d streams: %v bits/s, %v", streams, bps, err)
		}
		t.Logf("%d streams: %.2f Gb/s", streams, bps/1e9)
	}
}

func TestExplore(t *testing.T) {
	a, b := wire(t)
	for _, rate := range []float64{1000, 100e3, 500e3, 1e6, 1.5e6, 2e6, 5e6} {
		r, err := Blast{From: a, To: b, FrameLen: 60, Rate: rate, Duration: time.Second}.Run(t.Context())
		t.Logf("%.0f: %+v %v", rate, r, err)
	}
	r, err := Blast{From: a, To: b, FrameLen: 60, Rate: 1e6, Duration: time.Second, Bidirectional: true}.Run(t.Context())
	t.Logf("bidi: %+v %v", r, err)
}

func TestRTT(t *testing.T) {
	a, b := wire(t)
	for _, proto := range []string{"tcp", "udp"} {
		for _, size := range []int{1, 1400, 20000} {
			l, err := RTT(t.Context(), a, b, proto, size, 300*time.Millisecond)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", proto, size, err)
			}
			t.Logf("%s, %d bytes: %+v", proto, size, l)
			if l.Count == 0 || l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || l.Mean < l.Min || l.Mean > l.Max {
				t.Errorf("%s, %d bytes: not in order: %+v", proto, size, l)
			}
		}
	}
}
