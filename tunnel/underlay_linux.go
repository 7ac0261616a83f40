package tunnel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LocalMTU is the largest payload of an inner frame for a VTEP at addr: the MTU
// of the interface that has the address, less [Overhead].
func LocalMTU(addr netip.Addr) (int, error) {
	family := netlink.FAMILY_V6
	if addr.Is4() {
		family = netlink.FAMILY_V4
	}
	list, err := netlink.AddrList(nil, family)
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range list {
		if got, ok := netip.AddrFromSlice(a.IP); !ok || got.Unmap() != addr {
			continue
		}
		link, err := netlink.LinkByIndex(a.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("interface of %s: %w", addr, err)
		}
		return link.Attrs().MTU - Overhead(addr), nil
	}
	return 0, fmt.Errorf("no interface of this host has the address %s (see ip address)", addr)
}

// PathMTU is the largest payload of an inner frame on the way from a VTEP to a
// remote one, by the route's MTU, what the kernel learned of the path included.
// The error wraps [ErrNoRoute] where there is no way.
func PathMTU(from, to netip.Addr) (int, error) {
	_, mtu, err := route(from, to)
	if err != nil {
		return 0, err
	}
	return mtu - Overhead(to), nil
}

// route gives the interface that packets to a remote VTEP leave by, and their
// MTU.
func route(from, to netip.Addr) (netlink.Link, int, error) {
	routes, err := netlink.RouteGetWithOptions(net.IP(to.AsSlice()), &netlink.RouteGetOptions{SrcAddr: net.IP(from.AsSlice())})
	if err != nil || len(routes) == 0 {
		return nil, 0, noRoute(to, err)
	}
	r := routes[0]
	link, err := netlink.LinkByIndex(r.LinkIndex)
	if err != nil {
		return nil, 0, noRoute(to, err)
	}
	switch state := link.Attrs().OperState; {
	case link.Attrs().Flags&net.FlagUp == 0:
		return nil, 0, fmt.Errorf("%w to %s: interface %s is down", ErrNoRoute, to, link.Attrs().Name)
	case state == netlink.OperDown || state == netlink.OperLowerLayerDown:
		return nil, 0, fmt.Errorf("%w to %s: interface %s has no carrier", ErrNoRoute, to, link.Attrs().Name)
	}
	mtu := link.Attrs().MTU
	if r.MTU > 0 {
		mtu = min(mtu, r.MTU)
	}
	return link, mtu, nil
}

func noRoute(to netip.Addr, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w to %s: the VTEP's address is gone", ErrNoRoute, to)
	}
	return fmt.Errorf("%w to %s", ErrNoRoute, to)
}
