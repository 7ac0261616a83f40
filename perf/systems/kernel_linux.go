package systems

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"

	"weft/internal/netns"
)

// kernelUp is a VXLAN device in a bridge on each host, veths to the clients.
func kernelUp(_ context.Context, p *Picture) error {
	for _, s := range p.Sides() {
		c := s.Clients[0]
		err := s.Host.MakeKernelVTEP(netns.KernelVTEP{
			VNI: vni, Local: s.Underlay.Addr(), Remotes: s.Peers, Bridge: "br0",
			Client: netns.End{Host: c.Host, IfName: clientIf, Addresses: []string{c.Address.String()}},
		})
		if err == nil {
			err = plug(s, "br0", s.Clients[1:], p.ClientMTU())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bridgeUp is a bridge with veths to all clients.
func bridgeUp(_ context.Context, p *Picture) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	nl := p.A.Host.Netlink()
	if err := nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	br, err := nl.LinkByName("br0")
	if err != nil {
		return err
	}
	if err := nl.LinkSetUp(br); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return plug(&p.A, "br0", append(p.A.Clients, p.B.Clients...), p.ClientMTU())
}

// plug connects clients to a bridge of the side's host.
func plug(s *Side, bridge string, clients []Client, mtu int) error {
	nl := s.Host.Netlink()
	br, err := nl.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	for _, c := range clients {
		if err := s.cableTo(c, mtu); err != nil {
			return err
		}
		link, err := nl.LinkByName(portOf(c))
		if err == nil {
			err = nl.LinkSetMaster(link, br)
		}
		if err != nil {
			return fmt.Errorf("put %s in %s: %w", portOf(c), bridge, err)
		}
	}
	return nil
}

// portOf is the name of the client's port on the host.
func portOf(c Client) string { return fmt.Sprintf("p%d", c.Index) }

// cableTo makes a veth from the client to its port on the side's host.
func (s *Side) cableTo(c Client, mtu int) error {
	return netns.Cable(
		netns.End{Host: s.Host, IfName: portOf(c)},
		netns.End{Host: c.Host, IfName: clientIf, Addresses: []string{c.Address.String()}}, mtu)
}
