package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/ethtool"
	"weft/internal/netnstest"
)

// cabled is a pair on two hosts, a cable between them.
type cabled struct {
	pair
	hostA *netnstest.Host
	told  []string // of a, abilities refused
}

// newCabled skips the test where the kernel, or its user, has no outlet.
func newCabled(t *testing.T, v6 bool, mtu int) *cabled {
	t.Helper()
	prefix := "10.99.0.%d/24"
	if v6 {
		prefix = "fd99::%d/64"
	}
	a, b := netip.MustParsePrefix(fmt.Sprintf(prefix, 1)), netip.MustParsePrefix(fmt.Sprintf(prefix, 2))
	p := &cabled{hostA: netnstest.NewHost(t, "a")}
	hostB := netnstest.NewHost(t, "b")
	netnstest.Connect(t,
		netnstest.End{Host: p.hostA, IfName: "u0", Addresses: []string{a.String()}},
		netnstest.End{Host: hostB, IfName: "u0", Addresses: []string{b.String()}}, mtu)
	open := func(h *netnstest.Host, addr netip.Addr, c Config) (v *VTEP) {
		c.Address, c.MTU = addr, mtu-Overhead(addr)
		err := h.Run(func() (err error) {
			v, err = Open(c)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = v.Close() })
		return v
	}
	p.a = open(p.hostA, a.Addr(), Config{Refused: func(ability, _ string) { p.told = append(p.told, ability) }})
	p.b = open(hostB, b.Addr(), Config{NoTunnelGSO: true})
	if on, reason := p.a.TunnelGSO(); !on {
		t.Skip("superframes cannot leave whole here: " + reason)
	}
	p.to = p.hop(t, p.a, p.b)
	p.from = p.hop(t, p.b, p.a)
	p.look(t)
	return p
}

func (p *cabled) hop(t *testing.T, v, other *VTEP) *Hop {
	t.Helper()
	h, err := v.NewHop(other.Addr())
	if err == nil {
		err = v.Admit(h, 7)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// look has a find out anew how superframes leave, and gives what is in their
// way.
func (p *cabled) look(t *testing.T) string {
	t.Helper()
	p.a.outlet.survey.at = time.Time{}
	p.hostA.Do(func() { _, _ = p.to.PathMTU() })
	return p.to.way.Load().obstacle
}

// send sends bufs to b and wants them there, each flow's in their order. It
// gives the lengths in which they arrived.
func (p *cabled) send(t *testing.T, bufs ...*frame.Buf) (lengths []int) {
	t.Helper()
	want := make([]*frame.Buf, len(bufs))
	n := 0
	for i, b := range bufs {
		want[i] = b.Clone()
		frames, _ := b.Wire()
		n += int(frames)
	}
	var tally frame.Tally
	p.to.NewTx().WriteBatch(bufs, &tally)
	if tally.Frames != uint64(n) || tally.Drops != ([frame.NumDropReasons]uint64{}) {
		t.Fatalf("sent %d of %d, drops %v", tally.Frames, n, tally.Drops)
	}
	got := p.receive(t, n)
	for _, b := range got {
		offload.FinishChecksum(b) // the kernel left it to an interface that nobody needed
	}
	checkFlows(t, got, want)
	for _, b := range got {
		lengths = append(lengths, b.Len())
	}
	return lengths
}

// udpSuperframe is n bytes of datagrams of size bytes each.
func udpSuperframe(tb testing.TB, n, size int) *frame.Buf {
	tb.Helper()
	k := spec{port: 2000, payload: bytes.Repeat([]byte("datagram "), n/9)}
	b := bufOf(k.unfinished(tb))
	b.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: uint16(k.l4()), CsumOffset: 6,
		GSO: frame.GSOUDP, HdrLen: uint16(k.l4() + 8), GSOSize: uint16(size),
	}
	return b
}

// TestOutlet: superframes arrive as what they were, between the other frames of
// their flow, also when the kernel has to cut them after all.
func TestOutlet(t *testing.T) {
	for _, c := range []struct {
		name string
		v6   bool
		mtu  int
		size int // of TCP's segments: as the MTU has it, which is what b takes it for
		cut  bool
	}{
		{"IPv4", false, 1500, 1410, false},
		{"IPv6", true, 1500, 1390, false},
		{"jumbo", false, 9000, 8910, false},
		{"IPv4, cut by the kernel", false, 1500, 1410, true},
		{"IPv6, cut by the kernel", true, 1500, 1390, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newCabled(t, c.v6, c.mtu)
			if obstacle := p.look(t); obstacle != "" {
				t.Fatalf("superframes do not leave whole: %s", obstacle)
			}
			if c.cut {
				setFeature(t, p.hostA, "u0", cutsTunnels, false)
			}
			small := func(seq uint32) *frame.Buf {
				return bufOf(spec{tcp: true, port: 1000, seq: seq, payload: []byte("small")}.build(t))
			}
			lengths := p.send(t, small(7), tcpSuperframe(t, 60000, c.size), small(8), small(9))
			if whole := slices.Max(lengths) > 60000; !whole && !c.cut {
				t.Errorf("arrived in %v bytes, nothing whole", lengths)
			}
			p.send(t, udpSuperframe(t, 20000, 1000))
			if on, reason := p.a.TunnelGSO(); !on {
				t.Errorf("off now: %s", reason)
			}
		})
	}
}

// TestOutletNot: what does not fit an outer packet, or is cut to more than the
// path takes, leaves as it does without an outlet.
func TestOutletNot(t *testing.T) {
	super := func(n, size int) *frame.Buf { return tcpSuperframe(t, n, size) }
	tagged := spec{tags: 1, tcp: true, port: 1, payload: make([]byte, 5000)}
	behindTag := bufOf(tagged.unfinished(t))
	behindTag.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: uint16(tagged.l4()), CsumOffset: 16,
		GSO: frame.GSOTCPv4, HdrLen: uint16(tagged.l4() + 20), GSOSize: 1000,
	}
	w := &way{ifIndex: 1, mtu: 1500}
	h := &Hop{addr: netip.MustParseAddrPort("10.99.0.2:4789")}
	for _, c := range []struct {
		name string
		b    *frame.Buf
		want bool
	}{
		{"a superframe", super(60000, 1400), true},
		{"to the path's MTU", super(60000, 1500-36-54), true},
		{"a byte above the path's MTU", super(60000, 1500-36-54+1), false},
		{"as large as can be", super(65535-36-54, 1400), true},
		{"a byte larger", super(65535-36-54+1, 1400), false},
		{"with nothing to cut", super(1400, 1400), false},
		{"behind a tag", behindTag, false},
	} {
		if got := w.carries(h, c.b); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// TestOutletLost: when the TAP is gone, superframes are cut here, that which
// found out as well; it is told once.
func TestOutletLost(t *testing.T) {
	p := newCabled(t, false, 1500)
	nl := p.hostA.Netlink()
	tap, err := nl.LinkByName("weft-out0")
	if err == nil {
		err = nl.LinkDel(tap)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.send(t, tcpSuperframe(t, 60000, 1410))
	}
	if on, reason := p.a.TunnelGSO(); on || !strings.Contains(reason, "refused") {
		t.Errorf("on: %t, %q", on, reason)
	}
	if !slices.Equal(p.told, []string{"tunnel_gso"}) {
		t.Errorf("told of %q", p.told)
	}
}

// TestOutletObstacles: superframes do not pass by what sockets pass through.
func TestOutletObstacles(t *testing.T) {
	peer := &net.IPNet{IP: net.IP{10, 99, 0, 2}, Mask: net.CIDRMask(32, 32)}
	for _, c := range []struct {
		name, want string
		make, undo func(p *cabled, nl *netlink.Handle) error
	}{
		{
			"IPsec", "IPsec",
			func(_ *cabled, nl *netlink.Handle) error {
				return nl.XfrmPolicyAdd(&netlink.XfrmPolicy{Dst: peer, Src: peer, Dir: netlink.XFRM_DIR_OUT})
			},
			func(_ *cabled, nl *netlink.Handle) error {
				return nl.XfrmPolicyDel(&netlink.XfrmPolicy{Dst: peer, Src: peer, Dir: netlink.XFRM_DIR_OUT})
			},
		},
		{
			"a rule by port", "ip rule",
			func(_ *cabled, nl *netlink.Handle) error { return nl.RuleAdd(byPort()) },
			func(_ *cabled, nl *netlink.Handle) error { return nl.RuleDel(byPort()) },
		},
		{
			"two ways", "several ways",
			func(p *cabled, nl *netlink.Handle) error { return nl.RouteAdd(twoWays(p, nl, peer)) },
			func(p *cabled, nl *netlink.Handle) error { return nl.RouteDel(twoWays(p, nl, peer)) },
		},
		{
			"an interface that does not cut", "ethtool -k u0",
			func(p *cabled, _ *netlink.Handle) error { setFeature(t, p.hostA, "u0", cutsTunnels, false); return nil },
			func(p *cabled, _ *netlink.Handle) error { setFeature(t, p.hostA, "u0", cutsTunnels, true); return nil },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newCabled(t, false, 1500)
			nl := p.hostA.Netlink()
			if err := c.make(p, nl); err != nil {
				t.Fatal(err)
			}
			if obstacle := p.look(t); !strings.Contains(obstacle, c.want) {
				t.Errorf("obstacle %q, want %q", obstacle, c.want)
			}
			if on, reason := p.a.TunnelGSO(); on || reason == "" || p.a.Superframe() != maxCut {
				t.Errorf("on: %t, %q, superframes of %d bytes", on, reason, p.a.Superframe())
			}
			p.send(t, tcpSuperframe(t, 60000, 1410))
			if err := c.undo(p, nl); err != nil {
				t.Fatal(err)
			}
			if obstacle := p.look(t); obstacle != "" || p.a.Superframe() != maxWhole {
				t.Errorf("afterwards: %q, superframes of %d bytes", obstacle, p.a.Superframe())
			}
		})
	}
}

// TestOutletNoRoute: a remote VTEP that cannot be reached changes nothing for the
// others.
func TestOutletNoRoute(t *testing.T) {
	p := newCabled(t, false, 1500)
	gone, err := p.a.NewHop(netip.MustParseAddrPort("10.98.0.1:4789"))
	if err == nil {
		err = p.a.Admit(gone, 8)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.hostA.Do(func() { _, err = gone.PathMTU() })
	if !errors.Is(err, ErrNoRoute) {
		t.Fatalf("path MTU: %v", err)
	}
	if on, reason := p.a.TunnelGSO(); !on || p.a.Superframe() != maxWhole {
		t.Errorf("on: %t, %q, superframes of %d bytes", on, reason, p.a.Superframe())
	}
	if lengths := p.send(t, tcpSuperframe(t, 60000, 1410)); slices.Max(lengths) < 60000 {
		t.Errorf("arrived in %v bytes, nothing whole", lengths)
	}
}

func byPort() *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Table, r.IPProto = unix.AF_INET, 100, unix.RT_TABLE_MAIN, unix.IPPROTO_UDP
	r.Dport = netlink.NewRulePortRange(DefaultPort, DefaultPort)
	return r
}

func twoWays(p *cabled, nl *netlink.Handle, to *net.IPNet) *netlink.Route {
	u0, err := nl.LinkByName("u0")
	if err != nil {
		return &netlink.Route{}
	}
	hop := func(last byte) *netlink.NexthopInfo {
		return &netlink.NexthopInfo{LinkIndex: u0.Attrs().Index, Gw: net.IP{10, 99, 0, last}}
	}
	return &netlink.Route{Dst: to, MultiPath: []*netlink.NexthopInfo{hop(2), hop(3)}}
}

// TestOutletAllocations: a superframe leaves without one.
func TestOutletAllocations(t *testing.T) {
	p := newCabled(t, false, 1500)
	super := []*frame.Buf{tcpSuperframe(t, 60000, 1400)}
	e := newEncapsulator(p.a)
	var tally frame.Tally
	if n := testing.AllocsPerRun(100, func() { e.send(p.to, super, &tally) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if on, _ := p.a.TunnelGSO(); !on || tally.Frames == 0 {
		t.Errorf("it did not leave whole: on %t, %d frames", on, tally.Frames)
	}
}

// setFeature switches a feature of an interface, as ethtool -K does.
func setFeature(t *testing.T, h *netnstest.Host, ifName, feature string, on bool) {
	t.Helper()
	err := h.Run(func() error {
		e, err := ethtool.Open(ifName)
		if err != nil {
			return err
		}
		defer e.Close()
		return e.SetFeature(feature, on)
	})
	if err != nil {
		t.Fatalf("%s of %s: %v", feature, ifName, err)
	}
}
