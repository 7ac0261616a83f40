package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"weft/ctl"
	"weft/frame"
	"weft/impair"
	"weft/lab"
	"weft/lab/topology"
)

const (
	// defaultMTU is Ethernet's, in bytes.
	defaultMTU = 1500
	// vxlanPort is where a VTEP is found when nothing else is said (RFC 7348
	// section 8).
	vxlanPort = 4789
)

// wiring is what a topology comes to: the configuration of the lab's own switch
// and of each router.
type wiring struct {
	local   ctl.Config
	routers map[string]ctl.Config
	// ends has where each link end is a port; of a link to a switch, that is
	// the end which is not the switch's.
	ends map[topology.End]portAt
	// sockets has where the port of a virtual machine waits for it.
	sockets map[topology.End]string
}

// portAt is a port of a weft daemon.
type portAt struct {
	router string // "" for the lab's own switch
	name   string // of the port
}

// wirer makes a wiring.
type wirer struct {
	t       *topology.Topology
	numbers *numbers
	dir     lab.Dir
	w       *wiring
}

// numbers gives each thing of the lab's own switch that has to be told apart by
// a number one that stays while it is there.
type numbers struct {
	byName map[string]uint32
	last   uint32
	taken  map[uint32]bool // VNIs that remotes have
}

func newNumbers() *numbers {
	return &numbers{byName: map[string]uint32{}, taken: map[uint32]bool{}}
}

func (v *numbers) of(name string) uint32 {
	if v.byName[name] == 0 {
		v.last++
		v.byName[name] = v.last
	}
	return v.byName[name]
}

// vni is a network's, which nobody sees: from the top, away from those that
// people give remotes.
func (v *numbers) vni(name string) uint32 {
	const top = uint32(frame.MaxVNI) + 1
	for v.byName[name] == 0 && v.taken[top-v.last-1] {
		v.last++
	}
	return top - v.of(name)
}

// wire makes the wiring of a checked topology. dir is the lab's, for the paths
// of namespaces and sockets.
func wire(t *topology.Topology, v *numbers, dir lab.Dir) *wiring {
	r := &wirer{t: t, numbers: v, dir: dir, w: &wiring{
		local: ctl.Config{Name: t.Name}, routers: map[string]ctl.Config{}, ends: map[topology.End]portAt{}, sockets: map[topology.End]string{},
	}}
	for _, n := range t.Nodes {
		v.taken[n.VNI] = true
	}
	for i := range t.Nodes {
		switch n := &t.Nodes[i]; n.Kind {
		case topology.Switch:
			r.w.local.Networks = append(r.w.local.Networks, ctl.NetworkSpec{
				Name: n.Name, VNI: v.vni(n.Name), MTU: r.switchMTU(n), ForwardReserved: n.ForwardReserved,
			})
		case topology.Router:
			c := ctl.Config{Name: n.Name, VTEP: n.VTEP, Peers: n.Peers}
			for _, w := range n.Networks {
				spec := w.NetworkSpec
				spec.MTU = cmp.Or(spec.MTU, r.overlayMTU(n))
				c.Networks = append(c.Networks, spec)
			}
			r.w.routers[n.Name] = c
		case topology.Remote:
			r.remote(n)
		case topology.Host, topology.VM, topology.Container:
		}
	}
	for i := range t.Links {
		r.link(&t.Links[i])
	}
	return r.w
}

// remote makes a remote's network: a cable whose other end is a peer. Remotes on
// one machine are one peer with several networks.
func (r *wirer) remote(n *topology.Node) {
	r.w.local.Networks = append(r.w.local.Networks, ctl.NetworkSpec{
		Name: n.Name, VNI: n.VNI, MTU: r.remoteMTU(n), NoLearning: true, ForwardReserved: true,
	})
	peer := n.Peer()
	i := slices.IndexFunc(r.w.local.Peers, func(p ctl.PeerSpec) bool { return p.Address == peer.Address })
	if i < 0 {
		// One of 0 is the lab's own, which need not be VXLAN's.
		peer.Port = cmp.Or(peer.Port, vxlanPort)
		peer.Networks = []string{n.Name}
		r.w.local.Peers = append(r.w.local.Peers, peer)
		return
	}
	r.w.local.Peers[i].Networks = append(r.w.local.Peers[i].Networks, n.Name)
}

// remoteMTU is what the remote's link asks for, and else 0, what the underlay
// leaves.
func (r *wirer) remoteMTU(n *topology.Node) int {
	for _, l := range r.t.Links {
		if l.A.Node == n.Name || l.B.Node == n.Name {
			return l.MTU
		}
	}
	return 0
}

// switchMTU is the largest of what the switch and its links ask for: a port
// may have less.
func (r *wirer) switchMTU(n *topology.Node) int {
	mtu := cmp.Or(n.MTU, defaultMTU)
	for _, l := range r.t.Links {
		if l.A.Node == n.Name || l.B.Node == n.Name {
			mtu = max(mtu, l.MTU)
		}
	}
	return mtu
}

// overlayMTU is what a router's underlay has room for, 0 without one. A router
// by itself looks at the interface that has its VTEP's address, which is lo
// where several ways lead to it.
func (r *wirer) overlayMTU(n *topology.Node) int {
	if n.VTEP == nil {
		return 0
	}
	// Outer Ethernet payload: IP, UDP and VXLAN headers and the inner
	// Ethernet header (RFC 7348 section 5).
	overhead := 20 + 8 + 8 + 14
	if isIPv6(n.VTEP.Address) {
		overhead += 20
	}
	mtu := 0
	for _, l := range r.t.Links {
		for _, e := range []topology.End{l.A, l.B} {
			if e.Node != n.Name || n.NetworkOf(e.Port) != nil {
				continue
			}
			if m := cmp.Or(l.MTU, defaultMTU) - overhead; mtu == 0 || m < mtu {
				mtu = m
			}
		}
	}
	return max(mtu, 0)
}

func isIPv6(addr string) bool { return strings.Contains(addr, ":") }

// link makes the ports of a link. An end is either in a namespace, where the
// port's interface is, or a place in a network of the switch or of a router.
func (r *wirer) link(l *topology.Link) {
	a, b := r.placeOf(l.A), r.placeOf(l.B)
	switch {
	case a.network == "" && b.network == "":
		name := slices.MinFunc([]topology.End{l.A, l.B}, func(x, y topology.End) int {
			return cmp.Compare(x.String(), y.String())
		})
		wire := place{network: portName(name)}
		r.w.local.Networks = append(r.w.local.Networks, ctl.NetworkSpec{
			Name: wire.network, VNI: r.numbers.vni(wire.network), MTU: cmp.Or(l.MTU, defaultMTU),
			// A cable does not know where addresses are, and what it seems to
			// know is wrong when a bridge behind it takes another path.
			NoLearning: true, ForwardReserved: true,
		})
		// Each way is impaired where its frames leave the switch.
		r.port(l.A, wire, portName(l.A), l, impair.Both{To: l.ImpairBA})
		r.port(l.B, wire, portName(l.B), l, impair.Both{To: l.ImpairAB})
	case a.network == "":
		r.port(l.A, b, r.portIn(b, l.B, l.A), l, impair.Both{To: l.ImpairBA, From: l.ImpairAB})
	case b.network == "":
		r.port(l.B, a, r.portIn(a, l.A, l.B), l, impair.Both{To: l.ImpairAB, From: l.ImpairBA})
	default:
		r.trunk(l, a, b)
	}
}

// trunk joins two networks: a stream between them, on whose way the frames are
// as they were.
func (r *wirer) trunk(l *topology.Link, a, b place) {
	socket := r.socket(l.A)
	listener, caller := ctl.PortSpec{Listen: socket}, ctl.PortSpec{Connect: socket}
	// The lab's own switch is there before the routers are.
	specA, specB := &listener, &caller
	if a.router != "" && b.router == "" {
		specA, specB = &caller, &listener
	}
	for _, side := range []struct {
		end  topology.End
		at   place
		spec *ctl.PortSpec
		to   impair.Spec
	}{{l.A, a, specA, l.ImpairAB}, {l.B, b, specB, l.ImpairBA}} {
		side.spec.Type, side.spec.Name = ctl.TypeStream, r.portIn(side.at, side.end, side.end)
		side.spec.MTU, side.spec.Impair = r.portMTU(l, side.at), impair.Both{To: side.to}
		r.add(side.end, side.at, *side.spec)
	}
}

// socket is where one end of a link listens for the other, a short path whatever
// the names are.
func (r *wirer) socket(e topology.End) string {
	return fmt.Sprintf("unix:%s", r.dir.File(fmt.Sprintf("l%d.sock", r.numbers.of("socket "+e.String()))))
}

// place is a network that a link end is in.
type place struct {
	router  string // "" for the lab's own switch
	network string // "" for an end in a namespace
}

func (r *wirer) placeOf(e topology.End) place {
	switch n := r.t.Node(e.Node); n.Kind {
	case topology.Switch, topology.Remote:
		return place{network: n.Name}
	case topology.Router:
		if w := n.NetworkOf(e.Port); w != nil {
			return place{n.Name, w.Name}
		}
	case topology.Host, topology.VM, topology.Container:
	}
	return place{}
}

// portIn is the name of the port for a node's end in somebody's network: that
// of a router's port, as its user knows it; else the node's.
func (r *wirer) portIn(at place, end, node topology.End) string {
	if at.router != "" {
		return end.Port
	}
	return portName(node)
}

// portName is a name for a port. A node's name has no dot.
func portName(e topology.End) string { return e.Node + "." + e.Port }

// portMTU is what the link asks for, and else Ethernet's, also where the switch
// takes more; a port of a router or of a remote has what the underlay has room
// for.
func (r *wirer) portMTU(l *topology.Link, at place) int {
	n := r.t.Node(at.network)
	if l.MTU == 0 && at.router == "" && (n == nil || n.Kind != topology.Remote) {
		return defaultMTU
	}
	return l.MTU
}

// port makes the port that leads to the end: its interface, or the socket that
// a virtual machine connects to.
func (r *wirer) port(e topology.End, at place, name string, l *topology.Link, b impair.Both) {
	n := r.t.Node(e.Node)
	spec := ctl.PortSpec{Name: name, MTU: r.portMTU(l, at), Impair: b}
	if n.Kind.HasNamespace() {
		known := n.Interface(e.Port)
		spec.NetNS, spec.As = r.dir.File("ns/"+e.Node), e.Port
		spec.MAC, spec.Address = known.MAC, known.Address
	} else {
		spec.Type, spec.Listen = ctl.TypeStream, r.socket(e)
		r.w.sockets[e] = spec.Listen
	}
	r.add(e, at, spec)
}

// add gives the port to who has it.
func (r *wirer) add(e topology.End, at place, spec ctl.PortSpec) {
	spec.Network = at.network
	r.w.ends[e] = portAt{router: at.router, name: spec.Name}
	if at.router == "" {
		r.w.local.Ports = append(r.w.local.Ports, spec)
		return
	}
	c := r.w.routers[at.router]
	c.Ports = append(c.Ports, spec)
	r.w.routers[at.router] = c
}

// without gives the configuration with only those ports that it has in common
// with another: what a daemon must let go of before others can have it.
func without(now, next ctl.Config) ctl.Config {
	kept := now
	kept.Ports = slices.DeleteFunc(slices.Clone(now.Ports), func(p ctl.PortSpec) bool {
		return !slices.ContainsFunc(next.Ports, func(q ctl.PortSpec) bool {
			return p.Name == q.Name && p.NetNS == q.NetNS && p.As == q.As && p.Listen == q.Listen
		})
	})
	return kept
}
