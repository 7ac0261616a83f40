package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"weft/ctl"
	"weft/impair"
	"weft/internal/netnstest"
)

// badWire joins two hosts by a wire that loses one packet in a hundred each way
// and lets one in ten overtake others: a weft in the middle, between two
// bridges. What is on a wire is finished packets, checksums and all; the hosts'
// ends put trains together again (GRO), as a network card's driver does. It
// gives the daemon in the middle.
func badWire(t testing.TB, ends [2]netnstest.End) *daemon {
	t.Helper()
	bad := impair.Spec{Loss: 0.01, Delay: time.Millisecond, Reorder: 0.1, Seed: 7}
	c := ctl.Config{
		Name: "wire", Networks: []ctl.NetworkSpec{{Name: "wire", VNI: 1, MTU: 1500}},
		Offload: &ctl.OffloadSpec{TAP: ctl.OffloadOff},
	}
	for i := range ends {
		c.Ports = append(c.Ports, ctl.PortSpec{Name: fmt.Sprintf("t%d", i), Network: "wire", Impair: impair.Both{To: bad}})
		bad.Seed++
	}
	lan := netnstest.NewHost(t, "lan")
	d := startWeft(t, lan, c)
	for i, end := range ends {
		veth := fmt.Sprintf("p%d", i)
		netnstest.Connect(t, netnstest.End{Host: lan, IfName: veth}, end, 0)
		switchOffload(t, end.Host, end.IfName, ethtoolGRO, true)
		join(t, lan, fmt.Sprintf("br%d", i), veth, c.Ports[i].Name)
	}
	return d
}

// join makes a bridge of interfaces that there are.
func join(t testing.TB, h *netnstest.Host, name string, ifnames ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := h.Netlink().LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	h.SetUp(t, name)
	for _, ifname := range ifnames {
		link, err := h.Netlink().LinkByName(ifname)
		if err == nil {
			err = h.Netlink().LinkSetMaster(link, bridge)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestLossAndReordering: TCP between weft and the kernel's VXLAN device is the
// same byte for byte over a bad wire, with offloads as they are and with each
// of them off on one side.
func TestLossAndReordering(t *testing.T) {
	kernelSide := func(commands ...uint32) func(*testing.T, []site) {
		return func(t *testing.T, s []site) {
			for _, c := range commands {
				turnOff(t, s[2].client, "eth0", c)
				for _, ifname := range []string{"u0", "vx0", "br0"} {
					turnOff(t, s[2].host, ifname, c)
				}
			}
		}
	}
	nothing := kernelSide()
	for _, c := range []struct {
		name    string
		offload *ctl.OffloadSpec
		tweak   func(*testing.T, []site)
	}{
		{"as they are", nil, nothing},
		{"weft, GSO off", &ctl.OffloadSpec{GSO: ctl.OffloadOff}, nothing},
		{"weft, GRO off", &ctl.OffloadSpec{GRO: ctl.OffloadOff}, nothing},
		{"weft, TAP off", &ctl.OffloadSpec{TAP: ctl.OffloadOff}, nothing},
		{"weft, all off", &allOff, nothing},
		{"kernel, GSO off", nil, kernelSide(ethtoolTSO, ethtoolGSO)},
		{"kernel, GRO off", nil, kernelSide(ethtoolGRO)},
		{"kernel, all off", nil, kernelSide(ethtoolTSO, ethtoolGSO, ethtoolGRO, ethtoolTxChecksum)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{kernel: []int{2}, offload: c.offload, badWire: true}
			s := p.build(t, 2)
			c.tweak(t, s)
			for _, over := range []func(int) string{overlay4, overlay6} {
				netnstest.TransferTCP(t, s[1].client, s[2].client, over(2), some/4)
				netnstest.TransferTCP(t, s[2].client, s[1].client, over(1), some/4)
			}
			for _, way := range []string{"t0", "t1"} {
				if p.middle.drops(way)["link_loss"] == 0 {
					t.Errorf("the wire lost nothing on its way to %s", way)
				}
			}
		})
	}
}
