package topology

import (
	"cmp"
	"fmt"
	"net/netip"

	"weft/ctl"
)

// A remote is a peer of the lab's own VTEP that one network is carried to. All
// remotes share that VTEP, so their files say of it the same or nothing.

// Peer is the other machine's VTEP, of a remote.
func (n *Node) Peer() ctl.PeerSpec {
	if len(n.Peers) == 0 {
		return ctl.PeerSpec{}
	}
	return n.Peers[0]
}

// VTEP is what the remotes ask of the lab's own VTEP: an address of this
// machine, "" for the one that leads to the first of them, and a port. It is
// nil in a lab without remotes.
func (t *Topology) VTEP() *ctl.VTEPSpec {
	var out *ctl.VTEPSpec
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind != Remote {
			continue
		}
		if out == nil {
			out = &ctl.VTEPSpec{}
		}
		if n.VTEP != nil {
			out.Address = cmp.Or(out.Address, n.VTEP.Address)
			out.Port = cmp.Or(out.Port, n.VTEP.Port)
		}
	}
	return out
}

// remoteAddress reads ADDR[:PORT], the other machine's.
func (r *reader) remoteAddress(v value, n *Node) {
	addr, port, err := ctl.ParseHostPort(r.string(v))
	if err == nil {
		err = ctl.PeerSpec{Address: addr}.Validate()
	}
	if err != nil {
		r.fail(v, "%s", problemOr(err))
		return
	}
	n.Peers = []ctl.PeerSpec{{Address: addr, Port: port}}
}

// vtepOf reads a router's VTEP; of a remote what the lab itself listens on,
// where the address, or the port, may be left out.
func (r *reader) vtepOf(v value, n *Node) {
	n.VTEP = r.vtep(v)
	r.lines["vtep "+n.Name] = v.line
	if n.Kind != Remote {
		return
	}
	if err := n.VTEP.Validate(); err != nil && n.VTEP.Address != "" {
		r.fail(v, "%s", problemOr(err))
	}
	if n.VTEP.Strict {
		r.fail(v, "strict is a router's")
	}
}

func problemOr(err error) string {
	return cmp.Or(problemOf(err, false, ""), err.Error())
}

// checkRemotes looks at what remotes must have, and must not have in common.
func (r *reader) checkRemotes(t *Topology) {
	var first *Node
	vnis := map[uint32]string{}
	ports := map[string]*Node{} // by address
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind != Remote {
			continue
		}
		at := r.atNode(n.Name)
		if len(n.Peers) == 0 || n.VNI == 0 {
			r.fail(at, "a remote needs address (of the other machine) and vni (the same in the other machine's file)")
			continue
		}
		if other := vnis[n.VNI]; other != "" {
			r.fail(at, "VNI %d is that of %s already", n.VNI, other)
		}
		vnis[n.VNI] = n.Name
		if other := ports[n.Peer().Address]; other != nil && other.Peer().Port != n.Peer().Port {
			r.fail(at, "%s has this address with another port; a machine is known by its address", other.Name)
		}
		ports[n.Peer().Address] = n
		if first == nil {
			first = n
		}
		if isIPv6(n.Peer().Address) != isIPv6(first.Peer().Address) {
			r.fail(at, "the remotes of a lab share a VTEP, so all are IPv4 or all IPv6, and %s is the other", first.Name)
		}
		r.checkRemoteLinks(t, n)
	}
	if first != nil {
		r.checkVTEP(t, first)
	}
}

// checkRemoteLinks holds a remote to one link: it is the other end of a cable.
func (r *reader) checkRemoteLinks(t *Topology, n *Node) {
	links := 0
	for _, l := range t.Links {
		for _, e := range []End{l.A, l.B} {
			if e.Node != n.Name {
				continue
			}
			if links++; links == 2 {
				r.fail(r.atNode(n.Name), "a remote is the end of one link (for more take a remote each, with a VNI of its own, or a switch in between)")
			}
		}
	}
}

// checkVTEP looks whether all remotes mean the same VTEP.
func (r *reader) checkVTEP(t *Topology, first *Node) {
	all := t.VTEP()
	if all.Address != "" && isIPv6(all.Address) != isIPv6(first.Peer().Address) {
		r.fail(r.atVTEP(first), "%s is no way to %s (one is IPv4, the other IPv6)", all.Address, first.Peer().Address)
		return
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind != Remote {
			continue
		}
		if n.VTEP != nil && (n.VTEP.Address != "" && n.VTEP.Address != all.Address || n.VTEP.Port != 0 && n.VTEP.Port != all.Port) {
			r.fail(r.atVTEP(n), "the remotes of a lab share a VTEP, and another of them says %s", describe(all))
		}
		if n.Peer().Address == all.Address {
			r.fail(r.atNode(n.Name), "%s is this machine's own, by vtep", all.Address)
		}
	}
}

func (r *reader) atVTEP(n *Node) value {
	line, ok := r.lines["vtep "+n.Name]
	if !ok {
		line = r.atNode(n.Name).line
	}
	return value{line: line, key: "topology.nodes." + n.Name + ".vtep"}
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// describe says what a VTEP is to be, which need not be all of it.
func describe(s *ctl.VTEPSpec) string {
	if s.Address == "" {
		return fmt.Sprintf("port %d", s.Port)
	}
	return ctl.FormatHostPort(s.Address, s.Port)
}
