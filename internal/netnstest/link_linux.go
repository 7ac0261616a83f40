package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// DefaultMTU is that of Ethernet, in bytes.
const DefaultMTU = 1500

// End is one end of a cable.
type End struct {
	Host      *Host
	IfName    string
	Addresses []string // CIDR
	MAC       string   // "" for the kernel's choice
}

// Connect makes a veth pair between a and b and brings it up. mtu is in bytes,
// 0 for [DefaultMTU].
func Connect(t testing.TB, a, b End, mtu int) {
	t.Helper()
	if err := Cable(a, b, mtu); err != nil {
		t.Fatal(err)
	}
}

// Cable is [Connect] without a test.
func Cable(a, b End, mtu int) error {
	if mtu == 0 {
		mtu = DefaultMTU
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = a.IfName, mtu
	err := a.Host.nl.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: b.IfName, PeerMTU: uint32(mtu),
		PeerNamespace: netlink.NsFd(b.Host.ns),
	})
	if err != nil {
		return fmt.Errorf("cable %s:%s to %s:%s: %w", a.Host.Name, a.IfName, b.Host.Name, b.IfName, err)
	}
	for _, e := range []End{a, b} {
		if err := e.configure(); err != nil {
			return err
		}
	}
	return errors.Join(a.awaitCarrier(), b.awaitCarrier())
}

// awaitCarrier waits until the interface takes frames, which is a moment after
// both ends are up; what is sent before is lost.
func (e *End) awaitCarrier() error {
	const within = 5 * time.Second
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(time.Millisecond) {
		l, err := e.Host.nl.LinkByName(e.IfName)
		if err != nil {
			return err
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return fmt.Errorf("%s:%s has no carrier after %v", e.Host.Name, e.IfName, within)
}

func (e *End) configure() error {
	if e.MAC != "" {
		mac, err := net.ParseMAC(e.MAC)
		if err != nil {
			return err
		}
		if err := e.Host.change(e.IfName, "set MAC", func(l netlink.Link) error {
			return e.Host.nl.LinkSetHardwareAddr(l, mac)
		}); err != nil {
			return err
		}
	}
	if err := e.Host.setUp(e.IfName); err != nil {
		return err
	}
	for _, a := range e.Addresses {
		if err := e.Host.AddAddress(e.IfName, a); err != nil {
			return err
		}
	}
	return nil
}

// AddAddress sets an address (CIDR) that is usable at once.
func (h *Host) AddAddress(ifname, cidr string) error {
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return fmt.Errorf("address %q: %w", cidr, err)
	}
	if addr.IP.To4() == nil {
		addr.Flags |= unix.IFA_F_NODAD
	}
	return h.change(ifname, "add address "+cidr, func(l netlink.Link) error { return h.nl.AddrAdd(l, addr) })
}

// SetUp and SetDown switch an interface on and off.
func (h *Host) SetUp(t testing.TB, ifname string) {
	t.Helper()
	if err := h.setUp(ifname); err != nil {
		t.Fatal(err)
	}
}

// SetDown: see SetUp.
func (h *Host) SetDown(t testing.TB, ifname string) {
	t.Helper()
	if err := h.change(ifname, "set down", h.nl.LinkSetDown); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) setUp(ifname string) error { return h.change(ifname, "set up", h.nl.LinkSetUp) }

// change does one thing to an interface and says what it was when it fails.
func (h *Host) change(ifname, what string, f func(netlink.Link) error) error {
	l, err := h.nl.LinkByName(ifname)
	if err == nil {
		err = f(l)
	}
	if err != nil {
		return fmt.Errorf("%s:%s: %s: %w", h.Name, ifname, what, err)
	}
	return nil
}

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
func (h *Host) AddKernelVTEP(t testing.TB, v KernelVTEP) {
	t.Helper()
	if err := h.addKernelVTEP(v); err != nil {
		t.Fatalf("kernel VTEP on %s: %v", h.Name, err)
	}
}

func (h *Host) addKernelVTEP(v KernelVTEP) error {
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
