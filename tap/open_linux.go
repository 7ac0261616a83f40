package tap

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/internal/ethtool"
	"weft/internal/tundev"
)

const (
	// txQueueLen is the interface's transmit queue in frames. It is what
	// overflows while the reader sleeps: with the kernel's 1000 the loss-free
	// rate of 64-byte frames was 260 thousand a second, with 5000 it was 890.
	txQueueLen = 5000

	// linkSpeed in Mb/s. The kernel reports 10 for a TAP, which skews OSPF
	// costs and bonding.
	linkSpeed = 10000
)

// freeName has the kernel choose a name until the interface is where it lives.
const freeName = "weft%d"

// Open makes the interface, configures it and sets it up. Nothing is left of
// it when it fails.
//
// The interface is made in the caller's namespace and moved, because a TAP's
// descriptor holds the namespace that it was opened in: opened in the port's,
// it would keep that alive when everybody else has left it.
func Open(c Config) (*Port, error) {
	ns, err := openNamespace(c.NetNS)
	if err != nil {
		return nil, err
	}
	defer ns.close()
	p := &Port{ifName: c.IfName, mtu: c.MTU}
	if err := p.open(c, ns); err != nil {
		return nil, err
	}
	err = ns.run(func() error { return p.configure(c) })
	if err != nil {
		return nil, errors.Join(err, p.dev.close())
	}
	return p, nil
}

// open makes the interface with the backend asked for and moves it.
func (p *Port) open(c Config, ns *namespace) error {
	name := freeName
	if ns == nil {
		name = c.IfName
		// TUNSETIFF would quietly attach to a persistent TAP of that name.
		if _, err := net.InterfaceByName(name); err == nil {
			return fmt.Errorf("%w: %q", ErrExists, name)
		}
	}
	var err error
	if c.Backend == Portable {
		p.dev, name, err = openWater(name)
	} else {
		name, err = p.openNative(c, name)
	}
	if err != nil {
		return openError(c.IfName, err)
	}
	if ns == nil {
		return nil
	}
	if err := ns.move(name, c.IfName); err != nil {
		return errors.Join(err, p.dev.close())
	}
	return nil
}

func (p *Port) openNative(c Config, name string) (string, error) {
	fd, name, err := tundev.Open(name)
	if err != nil {
		return "", err
	}
	if !c.NoOffload {
		p.features = negotiate(func(offloads int) error { return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads) })
	}
	p.dev = newQueue(fd, p.features)
	return name, nil
}

// move takes an interface from the caller's namespace to this one, where it is
// called ifName. Both in one request: in two, the interface would arrive under
// a name that may be taken there.
func (n *namespace) move(name, ifName string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find TAP %q: %w", name, err)
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(n.fd))))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(ifName)))
	switch _, err = req.Execute(unix.NETLINK_ROUTE, 0); {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w: %q in namespace %q", ErrExists, ifName, n.spec)
	case err != nil:
		return fmt.Errorf("interface %q: %w", ifName, enterError(n.spec, n.path, err))
	}
	return nil
}

// negotiate asks for the offloads, most first: USO came with Linux 6.2, and a
// kernel that knows none still works.
func negotiate(ask func(offloads int) error) Features {
	const (
		tso = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
		uso = tso | unix.TUN_F_USO4 | unix.TUN_F_USO6
	)
	switch {
	case ask(uso) == nil:
		return Features{Checksum: true, TSO: true, USO: true}
	case ask(tso) == nil:
		return Features{Checksum: true, TSO: true}
	case ask(unix.TUN_F_CSUM) == nil:
		return Features{Checksum: true}
	}
	return Features{}
}

func openError(ifName string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("open %s: not there (load the kernel module: modprobe tun; in a container pass the device: --device %s)", tundev.Path, tundev.Path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("open TAP %q: not permitted (weft needs CAP_NET_ADMIN in its network namespace and access to %s: run it as root, or under unshare --user --map-root-user --net with chmod 0666 %s)", ifName, tundev.Path, tundev.Path)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %q", ErrExists, ifName)
	}
	return fmt.Errorf("open TAP %q: %w", ifName, err)
}

// configure gives the interface what the configuration says and sets it up.
func (p *Port) configure(c Config) error {
	if err := p.setUp(c); err != nil {
		return fmt.Errorf("configure interface %q: %w", c.IfName, err)
	}
	return nil
}

func (p *Port) setUp(c Config) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(c.IfName)
	if err != nil {
		return err
	}
	if !c.MAC.IsZero() {
		if err := h.LinkSetHardwareAddr(link, c.MAC[:]); err != nil {
			return fmt.Errorf("set MAC %s: %w", c.MAC, err)
		}
	}
	if c.MTU != 0 {
		if err := h.LinkSetMTU(link, c.MTU); err != nil {
			return fmt.Errorf("set MTU %d: %w", c.MTU, err)
		}
	}
	if err := h.LinkSetTxQLen(link, txQueueLen); err != nil {
		return fmt.Errorf("set transmit queue: %w", err)
	}
	if c.Superframe != 0 {
		setSuperframe(h, link, c.Superframe)
	}
	_ = setLinkSpeed(c.IfName, linkSpeed)
	for _, a := range c.Addresses {
		if err := h.AddrAdd(link, address(a)); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	// The kernel makes an address for a TAP when it is created; read it back.
	if link, err = h.LinkByName(c.IfName); err != nil {
		return err
	}
	if hw := link.Attrs().HardwareAddr; len(hw) == 6 {
		p.mac = frame.MAC(hw)
	}
	return nil
}

// setSuperframe sets the largest superframe. Kernels before 4.16 cannot, and do
// without.
func setSuperframe(h *netlink.Handle, link netlink.Link, size int) {
	const kernelDefault = 65536 // GSO_LEGACY_MAX_SIZE
	_ = h.LinkSetGSOMaxSize(link, cmp.Or(size, kernelDefault))
}

func address(a netip.Prefix) *netlink.Addr {
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP:   a.Addr().AsSlice(),
		Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen()),
	}}
	if a.Addr().Is6() {
		// The address was assigned by who runs the network: without duplicate
		// address detection it can be used at once, as container runtimes do.
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

// Reconfigure changes MTU, superframes, MAC and addresses of the interface while it runs.
// from is what it was opened with.
func (p *Port) Reconfigure(from, to Config) error {
	ns, err := openNamespace(to.NetNS)
	if err != nil {
		return err
	}
	defer ns.close()
	return ns.run(func() error { return p.reconfigure(from, to) })
}

func (p *Port) reconfigure(from, to Config) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(to.IfName)
	if err != nil {
		return err
	}
	if to.MTU != from.MTU {
		if err := h.LinkSetMTU(link, to.MTU); err != nil {
			return fmt.Errorf("set MTU %d: %w", to.MTU, err)
		}
	}
	if to.Superframe != from.Superframe {
		setSuperframe(h, link, to.Superframe)
	}
	if to.MAC != from.MAC && !to.MAC.IsZero() {
		if err := h.LinkSetHardwareAddr(link, to.MAC[:]); err != nil {
			return fmt.Errorf("set MAC %s: %w", to.MAC, err)
		}
		p.mac = to.MAC
	}
	for _, a := range from.Addresses {
		if slices.Contains(to.Addresses, a) {
			continue
		}
		if err := h.AddrDel(link, address(a)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", a, err)
		}
	}
	// With a primary address the kernel removes the secondary ones of its
	// subnet, so those that stay are added again, too.
	for _, a := range to.Addresses {
		if err := h.AddrAdd(link, address(a)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	return nil
}

// ethtoolCmd is struct ethtool_cmd of linux/ethtool.h.
type ethtoolCmd struct {
	cmd, supported, advertising         uint32
	speed                               uint16
	duplex, port, phy, transceiver      uint8
	autoneg, mdio                       uint8
	maxTx, maxRx                        uint32
	speedHi                             uint16
	mdix, mdixCtrl                      uint8
	lpAdvertising, reserved0, reserved1 uint32
}

// setLinkSpeed sets what the interface reports, in Mb/s, full duplex.
func setLinkSpeed(ifName string, mbps uint32) error {
	e, err := ethtool.Open(ifName)
	if err != nil {
		return err
	}
	defer e.Close()
	cmd := ethtoolCmd{
		cmd:   unix.ETHTOOL_SSET,
		speed: uint16(mbps), speedHi: uint16(mbps >> 16),
		duplex: 1, // DUPLEX_FULL
	}
	return e.Ask(unsafe.Slice((*byte)(unsafe.Pointer(&cmd)), unsafe.Sizeof(cmd)))
}
