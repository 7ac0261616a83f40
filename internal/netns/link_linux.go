package netns

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
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

// Cable makes a veth pair between a and b and brings it up. mtu is in bytes, 0
// for [DefaultMTU].
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
func (h *Host) SetUp(t TB, ifname string) {
	t.Helper()
	if err := h.setUp(ifname); err != nil {
		t.Fatal(err)
	}
}

// SetDown: see SetUp.
func (h *Host) SetDown(t TB, ifname string) {
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
