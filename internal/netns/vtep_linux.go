package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// KernelVTEP describes a VXLAN device of the kernel and the bridge it is in.
type KernelVTEP struct {
	VNI     uint32
	Local   netip.Addr   // an address of the host, on the underlay
	Remotes []netip.Addr // frames without a known place are flooded to these
	Port    uint16       // 4789 when 0
	// NoChecksum sends outer UDP checksums of zero; the kernel's default is
	// to compute them.
	NoChecksum bool
	NoLearning bool
	IfName     string // of the VXLAN device, "vx0" when empty
	Bridge     string // "br0" when empty, made when it is not there
	// Addresses are set on the bridge, which so becomes a station itself.
	Addresses []string
	// Client is a station behind a port of the bridge, none when its Host is nil.
	Client End
}

// AddKernelVTEP makes the device, with offloads as the kernel has them, in the
// bridge, with the client; all up, their MTU what the underlay leaves.
func (h *Host) AddKernelVTEP(t TB, v KernelVTEP) {
	t.Helper()
	if err := h.MakeKernelVTEP(v); err != nil {
		t.Fatalf("kernel VTEP on %s: %v", h.Name, err)
	}
}

// MakeKernelVTEP is [Host.AddKernelVTEP] without a test.
func (h *Host) MakeKernelVTEP(v KernelVTEP) error {
	if v.IfName == "" {
		v.IfName = "vx0"
	}
	if v.Bridge == "" {
		v.Bridge = "br0"
	}
	under, err := h.linkWithAddress(v.Local)
	if err != nil {
		return err
	}
	if err := h.addVXLAN(&v, under.Attrs().Index); err != nil {
		return fmt.Errorf("add %s: %w", v.IfName, err)
	}
	vx, err := h.nl.LinkByName(v.IfName)
	if err != nil {
		return err
	}
	for _, r := range v.Remotes {
		if err := h.nl.NeighAppend(&netlink.Neigh{
			LinkIndex: vx.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
			State: netlink.NUD_PERMANENT | netlink.NUD_NOARP, IP: r.AsSlice(),
			HardwareAddr: make(net.HardwareAddr, 6), // all zero: the default destination
		}); err != nil {
			return fmt.Errorf("flood to %v: %w", r, err)
		}
	}
	br, err := h.bridge(v.Bridge)
	if err != nil {
		return err
	}
	if err := h.nl.LinkSetMaster(vx, br); err != nil {
		return fmt.Errorf("put %s in %s: %w", v.IfName, v.Bridge, err)
	}
	if err := h.setUp(v.IfName); err != nil {
		return err
	}
	station := End{Host: h, IfName: v.Bridge, Addresses: v.Addresses}
	if err := station.configure(); err != nil {
		return err
	}
	if v.Client.Host == nil {
		return nil
	}
	port := End{Host: h, IfName: "p" + v.Client.Host.Name}
	if err := Cable(port, v.Client, vx.Attrs().MTU); err != nil {
		return err
	}
	return h.change(port.IfName, "put in bridge", func(l netlink.Link) error { return h.nl.LinkSetMaster(l, br) })
}

// bridge finds the bridge or makes one.
func (h *Host) bridge(name string) (netlink.Link, error) {
	if l, err := h.nl.LinkByName(name); err == nil {
		return l, nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := h.nl.LinkAdd(br); err != nil {
		return nil, fmt.Errorf("add bridge %s: %w", name, err)
	}
	return br, nil
}

func (h *Host) linkWithAddress(a netip.Addr) (netlink.Link, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		addrs, err := h.nl.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, err
		}
		for _, have := range addrs {
			if ip, ok := netip.AddrFromSlice(have.IP); ok && ip.Unmap() == a {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("no interface has %v", a)
}

// addVXLAN speaks rtnetlink itself because the library cannot ask for a zero
// UDP checksum over IPv4: it leaves the attribute out, and the kernel computes.
func (h *Host) addVXLAN(v *KernelVTEP, underlay int) error {
	port := v.Port
	if port == 0 {
		port = 4789
	}
	bit := func(b bool) []byte {
		if b {
			return []byte{1}
		}
		return []byte{0}
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(v.IfName)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, []byte("vxlan"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_VXLAN_ID, nl.Uint32Attr(v.VNI))
	data.AddRtAttr(nl.IFLA_VXLAN_LINK, nl.Uint32Attr(uint32(underlay)))
	if v.Local.Is4() {
		data.AddRtAttr(nl.IFLA_VXLAN_LOCAL, v.Local.AsSlice())
	} else {
		data.AddRtAttr(nl.IFLA_VXLAN_LOCAL6, v.Local.AsSlice())
	}
	data.AddRtAttr(nl.IFLA_VXLAN_LEARNING, bit(!v.NoLearning))
	data.AddRtAttr(nl.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, port))
	if v.NoChecksum {
		data.AddRtAttr(nl.IFLA_VXLAN_UDP_CSUM, bit(false))
		data.AddRtAttr(nl.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, bit(true))
		data.AddRtAttr(nl.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, bit(true))
	}
	req.AddData(info)
	return h.Run(func() error {
		_, err := req.Execute(syscall.NETLINK_ROUTE, 0)
		return err
	})
}
