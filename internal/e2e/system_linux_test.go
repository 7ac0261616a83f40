package e2e

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"

	"weft/internal/netnstest"
)

// bridge joins interfaces of a namespace with a kernel bridge.
func bridge(t *testing.T, h *netnstest.Host, ifnames ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := h.Netlink().LinkAdd(br); err != nil {
		t.Fatal(err)
	}
	for _, name := range ifnames {
		link, err := h.Netlink().LinkByName(name)
		if err == nil {
			err = h.Netlink().LinkSetMaster(link, br)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h.SetUp(t, "br0")
}

func setMTU(t *testing.T, h *netnstest.Host, ifname string, mtu int) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	if err == nil {
		err = h.Netlink().LinkSetMTU(link, mtu)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// isTooBig matches ICMP type 3 code 4 with the next-hop MTU.
func isTooBig(p gopacket.Packet, mtu uint16) bool {
	icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	return ok && icmp.TypeCode == layers.CreateICMPv4TypeCode(3, 4) && icmp.Seq == mtu
}

// neighbourEntry puts an address into the ARP table of net0.
func neighbourEntry(h *netnstest.Host, ip, mac string) error {
	link, err := h.Netlink().LinkByName("net0")
	if err != nil {
		return err
	}
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	return h.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(ip), HardwareAddr: hw,
	})
}
