package ctl

import (
	"errors"
	"fmt"
	"net/netip"
)

// Validate checks every part and what they must not have in common: names,
// VNIs, peer addresses, interface names within one namespace, and sockets.
func (c Config) Validate() error {
	if c.Name != "" {
		if err := owner("name").check("name", nameProblem(c.Name)); err != nil {
			return err
		}
	}
	if c.VTEP != nil {
		if err := within("vtep", c.VTEP.Validate()); err != nil {
			return err
		}
	}
	if c.Offload != nil {
		if err := within("offload", c.Offload.Validate()); err != nil {
			return err
		}
	}
	networks, err := c.validateNetworks()
	if err != nil {
		return err
	}
	return firstOf(c.validatePeers(networks), c.validatePorts(networks))
}

// within puts the path to the part in front of an error's Field.
func within(path string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Field = path + "." + e.Field
	return &moved
}

func (c Config) validateNetworks() (names map[string]bool, err error) {
	names = map[string]bool{}
	vnis := map[uint32]string{}
	for i, n := range c.Networks {
		path := fmt.Sprintf("networks[%d]", i)
		o := ownerOf("network", n.Name)
		if err := within(path, n.Validate()); err != nil {
			return nil, err
		}
		if names[n.Name] {
			return nil, within(path, o.bad("name", "%s is there twice", quote(n.Name)))
		}
		if other, ok := vnis[n.VNI]; ok {
			return nil, within(path, o.bad("vni", "%d is in use by %q", n.VNI, other))
		}
		names[n.Name] = true
		vnis[n.VNI] = n.Name
	}
	return names, nil
}

func (c Config) validatePeers(networks map[string]bool) error {
	seen := map[netip.Addr]bool{}
	for i, p := range c.Peers {
		path := fmt.Sprintf("peers[%d]", i)
		o := ownerOf("peer", p.Address)
		if err := within(path, p.Validate()); err != nil {
			return err
		}
		a, err := netip.ParseAddr(p.Address)
		if err != nil {
			return within(path, o.bad("address", "%v", err))
		}
		if seen[a] {
			return within(path, o.bad("address", "%s is there twice", p.Address))
		}
		seen[a] = true
		for j, n := range p.Networks {
			if !networks[n] {
				return within(path, o.bad(fmt.Sprintf("networks[%d]", j), "there is no network %q", n))
			}
		}
	}
	return nil
}

func (c Config) validatePorts(networks map[string]bool) error {
	type place struct{ netns, ifname string }
	names := map[string]string{}
	interfaces := map[place]string{}
	listeners := map[string]string{}
	for i, p := range c.Ports {
		path := fmt.Sprintf("ports[%d]", i)
		o := ownerOf("port", p.Name)
		if err := within(path, p.Validate()); err != nil {
			return err
		}
		if !networks[p.Network] {
			return within(path, o.bad("network", "there is no network %q", p.Network))
		}
		if other, ok := names[p.Name]; ok {
			return within(path, o.bad("name", "%q is a port of network %q already (port names are unique across networks)", p.Name, other))
		}
		names[p.Name] = p.Network
		if p.PortType() != TypeTAP {
			if other, ok := listeners[p.Listen]; ok && p.Listen != "" {
				return within(path, o.bad("listen", "%s is where port %q listens already", p.Listen, other))
			}
			listeners[p.Listen] = p.Name
			continue
		}
		at := place{p.NetNS, p.IfName()}
		if other, ok := interfaces[at]; ok {
			return within(path, o.bad("as", "interface %q of the same namespace is port %q already", at.ifname, other))
		}
		interfaces[at] = p.Name
	}
	return nil
}
