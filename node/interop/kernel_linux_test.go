package interop

import (
	"fmt"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// The sizes of transfers in bytes: bulk where it is the point, some for the
// variations.
const (
	bulk = 64 << 20
	some = 8 << 20
)

// udpSizes are payloads of datagrams in bytes: around the least frame, around
// the MTU over IPv4 and IPv6, and what the client must fragment.
var udpSizes = []int{1, 2, 17, 18, 19, 100, 1024, 1402, 1403, 1422, 1423, 2000, 4096, 8192}

// TestKernel joins weft and the kernel's VXLAN device, with offloads as both
// have them, and moves everything both ways.
func TestKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
		size int
	}{
		{"IPv4", plan{}, bulk},
		{"IPv6", plan{v6: true}, bulk},
		{"other port", plan{port: 14789}, some},
		{"IPv4 without checksums", plan{noChecksum: true}, some},
		{"IPv6 without checksums", plan{v6: true, noChecksum: true}, some},
		{"strict", plan{strict: true}, some},
		{"TAP offload off", plan{offload: &ctl.OffloadSpec{TAP: ctl.OffloadOff}}, some},
		{"GSO off", plan{offload: &ctl.OffloadSpec{GSO: ctl.OffloadOff}}, some},
		{"GRO off", plan{offload: &ctl.OffloadSpec{GRO: ctl.OffloadOff}}, some},
		{"all off", plan{offload: &allOff}, some},
		{"small network", plan{mtu: 1400}, some},
		{"jumbo", plan{underlayMTU: 9050, mtu: 9000}, some},
		{"small network on jumbo", plan{underlayMTU: 9050, mtu: 1400}, some},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.plan.kernel = []int{2}
			s := c.plan.build(t, 2)
			exchange(t, &s[1], &s[2], c.size)
		})
	}
}

// exchange pings, echoes datagrams and moves size bytes both ways between the
// clients of sites 1 and 2, over IPv4 and then over IPv6.
func exchange(t *testing.T, a, b *site, size int) {
	t.Helper()
	for _, over := range []func(int) string{overlay4, overlay6} {
		a.ping(t, over(2))
		b.ping(t, over(1))
		netnstest.UDPEcho(t, a.client, b.client, over(2), udpSizes...)
		netnstest.UDPEcho(t, b.client, a.client, over(1), udpSizes...)
		netnstest.TransferTCP(t, a.client, b.client, over(2), size)
		netnstest.TransferTCP(t, b.client, a.client, over(1), size)
		size = min(size, some) // once is enough of bulk
	}
}

// TestKernelWithoutOffloads: the kernel's side finishes every frame itself, as
// a VTEP behind a real wire would.
func TestKernelWithoutOffloads(t *testing.T) {
	p := plan{kernel: []int{2}}
	s := p.build(t, 2)
	for _, at := range []struct {
		h      *netnstest.Host
		ifname string
	}{{s[2].client, "eth0"}, {s[2].host, "u0"}, {s[2].host, "vx0"}, {s[2].host, "br0"}} {
		for _, f := range []uint32{ethtoolTSO, ethtoolGSO, ethtoolGRO, ethtoolTxChecksum} {
			turnOff(t, at.h, at.ifname, f)
		}
	}
	exchange(t, &s[1], &s[2], some)
}

// TestUnderlayWithoutOffloads: the wire's device leaves everything to who sends.
func TestUnderlayWithoutOffloads(t *testing.T) {
	p := plan{kernel: []int{2}}
	s := p.build(t, 2)
	for _, f := range []uint32{ethtoolTSO, ethtoolGSO, ethtoolGRO, ethtoolTxChecksum} {
		turnOff(t, s[1].host, "u0", f)
	}
	exchange(t, &s[1], &s[2], some)
}

// TestMesh has three VTEPs, one of them the kernel's, and any talk to any.
func TestMesh(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6=%t", v6), func(t *testing.T) {
			p := plan{v6: v6, kernel: []int{3}}
			s := p.build(t, 3)
			for i := 1; i <= 3; i++ {
				for j := 1; j <= 3; j++ {
					if i == j {
						continue
					}
					s[i].ping(t, overlay4(j))
					s[i].ping(t, overlay6(j))
					netnstest.UDPEcho(t, s[i].client, s[j].client, overlay4(j), 1, 1400, 8192)
					netnstest.TransferTCP(t, s[i].client, s[j].client, overlay4(j), some/4)
				}
			}
		})
	}
}

// TestWeft joins weft and weft.
func TestWeft(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
	}{
		{"IPv4", plan{}},
		{"IPv6", plan{v6: true}},
		{"other port", plan{port: 14789}},
		{"all off", plan{offload: &allOff}},
		{"jumbo", plan{underlayMTU: 9050}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.plan.build(t, 2)
			exchange(t, &s[1], &s[2], some)
		})
	}
}
