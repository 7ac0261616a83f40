package interop

import (
	"net/netip"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// The kernel's VLAN devices are a module that not every machine has. Here weft
// itself tags: a client on an access port of VLAN 10 sees no tags, the tunnel
// carries them.

const (
	vlan = 10
	// taggedMTU in bytes leaves room for the tag on an underlay of 1500.
	taggedMTU = 1500 - 50 - 4
)

// accessPort is the port of client i in the VLAN.
func accessPort(client *netnstest.Host, i, mtu int) ctl.PortSpec {
	return ctl.PortSpec{
		Name: "web", Network: "blue", NetNS: client.Name, As: "eth0", Access: vlan, MTU: mtu,
		Address: []string{overlay4(i) + "/24", overlay6(i) + "/64"},
	}
}

// taggedSite makes site i of weft, with its client in the VLAN.
func (p *plan) taggedSite(t *testing.T, s *site, i, other, mtu int) {
	t.Helper()
	s.weft = startWeft(t, s.host, ctl.Config{
		Name:     s.host.Name,
		VTEP:     &ctl.VTEPSpec{Address: p.underlay(i).Addr().String()},
		Networks: []ctl.NetworkSpec{{Name: "blue", VNI: vni}},
		Ports:    []ctl.PortSpec{accessPort(s.client, i, mtu)},
		Peers:    []ctl.PeerSpec{{Address: p.underlay(other).Addr().String()}},
		Offload:  p.offload,
	})
}

// taggedKernelSite makes site i of the kernel. A weft without a VTEP tags for
// its client and hands frames to the kernel's bridge through a TAP.
func (p *plan) taggedKernelSite(t *testing.T, s *site, i, other int) {
	t.Helper()
	s.host.AddKernelVTEP(t, netnstest.KernelVTEP{
		VNI: vni, Local: p.underlay(i).Addr(), Remotes: []netip.Addr{p.underlay(other).Addr()},
	})
	s.weft = startWeft(t, s.host, ctl.Config{
		Name:     s.host.Name,
		Networks: []ctl.NetworkSpec{{Name: "blue", VNI: vni, MTU: taggedMTU}},
		Ports:    []ctl.PortSpec{accessPort(s.client, i, taggedMTU), {Name: "trunk", Network: "blue", Trunk: []string{"10"}}},
	})
	nl := s.host.Netlink()
	bridge, err := nl.LinkByName("br0")
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := nl.LinkByName("trunk")
	if err != nil {
		t.Fatal(err)
	}
	if err := nl.LinkSetMaster(trunk, bridge); err != nil {
		t.Fatal(err)
	}
}

// taggedPair is sites 1 and 2 with their clients in the VLAN. mtu is that of
// weft's ports, 0 for what it gives them.
func (p *plan) taggedPair(t *testing.T, mtu int) []site {
	t.Helper()
	s := p.hosts(t, 2)
	for i := 1; i <= 2; i++ {
		if p.isKernel(i) {
			p.taggedKernelSite(t, &s[i], i, 3-i)
		} else {
			p.taggedSite(t, &s[i], i, 3-i, mtu)
		}
	}
	return s
}

// TestTagged moves everything in a VLAN, superframes with their tag too.
func TestTagged(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
	}{
		{"weft", plan{}},
		{"weft, TAP offload off", plan{offload: &ctl.OffloadSpec{TAP: ctl.OffloadOff}}},
		{"kernel", plan{kernel: []int{2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.plan.taggedPair(t, taggedMTU)
			wire := netnstest.NewCapture(t, s[2].host, "u0")
			s[1].ping(t, overlay4(2))
			inner := awaitVXLAN(t, wire, func(v *vxlan) bool { return v.outerSrc == c.plan.underlay(1).Addr() })
			if inner.vlan != vlan {
				t.Fatalf("the first frame is in VLAN %d on the wire, want %d", inner.vlan, vlan)
			}
			exchange(t, &s[1], &s[2], some)
		})
	}
}

// TestTaggedMTU: clients that leave no room for the tag are told so, and their
// connections go on.
func TestTaggedMTU(t *testing.T) {
	p := plan{}
	s := p.taggedPair(t, 0)
	for _, over := range []func(int) string{overlay4, overlay6} {
		s[1].ping(t, over(2))
		netnstest.TransferTCP(t, s[1].client, s[2].client, over(2), some)
		netnstest.TransferTCP(t, s[2].client, s[1].client, over(1), some)
	}
}

// TestUDPSuperframes: datagrams that a client had its kernel cut arrive cut,
// whoever does it in the end, and also with a tag.
func TestUDPSuperframes(t *testing.T) {
	for _, c := range []struct {
		name   string
		plan   plan
		tagged bool
	}{
		{"kernel", plan{kernel: []int{2}}, false},
		{"kernel, IPv6", plan{v6: true, kernel: []int{2}}, false},
		{"kernel, TAP offload off", plan{kernel: []int{2}, offload: &ctl.OffloadSpec{TAP: ctl.OffloadOff}}, false},
		{"kernel, tagged", plan{kernel: []int{2}}, true},
		{"weft", plan{}, false},
		{"weft, tagged", plan{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			build := func() []site { return c.plan.build(t, 2) }
			if c.tagged {
				build = func() []site { return c.plan.taggedPair(t, taggedMTU) }
			}
			s := build()
			for _, over := range []func(int) string{overlay4, overlay6} {
				s[1].ping(t, over(2))
				udpTrain(t, s[1].client, s[2].client, over(2))
				udpTrain(t, s[2].client, s[1].client, over(1))
			}
		})
	}
}
