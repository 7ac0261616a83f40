// Package topology reads a lab's file into a checked description of it: nodes,
// links, and what is to be tried once they are up. The form is that of
// containerlab where that has one. Everything wrong is found here, with file
// and line, before anything is made; the package touches nothing but bytes.
//
// # Concurrency
//
// The functions may be called from any goroutine. A [Topology] is changed by
// nobody once it is read.
package topology

import (
	"slices"
	"strings"

	"weft/ctl"
	"weft/impair"
)

// Kind is what a node is.
type Kind string

// The kinds of nodes.
const (
	Host      Kind = "host"      // a network namespace, with processes in it
	Router    Kind = "router"    // a weft daemon in a namespace of its own
	Switch    Kind = "switch"    // a bridge domain
	VM        Kind = "vm"        // a QEMU
	Container Kind = "container" // a Docker container
	Remote    Kind = "remote"    // a VXLAN stitch to another machine
)

// Kinds are all of them, as messages list them.
var Kinds = []Kind{Host, Router, Switch, VM, Container, Remote}

// HasNamespace reports whether the node's interfaces are in a network namespace
// that the lab reaches: its own, or that of a container.
func (k Kind) HasNamespace() bool { return k == Host || k == Router || k == Container }

// Topology is a lab.
type Topology struct {
	Name  string `json:"name"`
	Nodes []Node `json:"nodes"` // in the file's order
	Links []Link `json:"links"`
	Tests []Test `json:"tests,omitempty"`
	// Offload is what the lab's switch and its routers do without.
	Offload ctl.OffloadSpec `json:"offload,omitzero"`
	// Notes is what the file says that has no meaning here, a line each.
	Notes []string `json:"-"`
}

// Node is one node. What its kind has no use for is zero.
type Node struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Interfaces holds what is said of the interfaces, by name. An interface
	// that is only the end of a link is not in it.
	Interfaces []Interface `json:"interfaces,omitempty"`
	Exec       []string    `json:"exec,omitempty"` // shell commands, once the links are up
	Env        []string    `json:"env,omitempty"`  // NAME=VALUE

	VTEP     *ctl.VTEPSpec  `json:"vtep,omitempty"` // router, remote
	Networks []Network      `json:"networks,omitempty"`
	Peers    []ctl.PeerSpec `json:"peers,omitempty"` // of a remote the one that it is

	MTU             int  `json:"mtu,omitempty"`              // switch
	ForwardReserved bool `json:"forward_reserved,omitempty"` // switch

	Image   string   `json:"image,omitempty"`  // vm: a disk; container: an image
	Memory  string   `json:"memory,omitempty"` // vm, as QEMU's -m takes it
	CPU     int      `json:"cpu,omitempty"`    // vm
	Kernel  string   `json:"kernel,omitempty"` // vm
	Initrd  string   `json:"initrd,omitempty"` // vm
	Append  string   `json:"append,omitempty"` // vm: the kernel's command line
	Manual  bool     `json:"manual,omitempty"` // vm: the user starts it
	Command string   `json:"cmd,omitempty"`    // container, as a shell would read it
	Binds   []string `json:"binds,omitempty"`  // container: HOST:CONTAINER[:OPTIONS]

	VNI uint32 `json:"vni,omitempty"` // remote
}

// Interface is what is known of a node's interface beside its link.
type Interface struct {
	Name    string   `json:"name"`
	MAC     string   `json:"mac,omitempty"`
	Address []string `json:"address,omitempty"` // CIDR
}

// Network is a network of a router, and the link ends that are its ports.
type Network struct {
	ctl.NetworkSpec

	Ports []string `json:"ports,omitempty"`
}

// End is one end of a link.
type End struct {
	Node string `json:"node"`
	Port string `json:"port"` // interface or port on the node
}

func (e End) String() string { return e.Node + ":" + e.Port }

// ParseEnd reads NODE:PORT; the port is empty for NODE alone.
func ParseEnd(s string) (e End, ok bool) {
	e.Node, e.Port, ok = strings.Cut(s, ":")
	return e, e.Node != "" && (!ok || e.Port != "")
}

// Link joins two ends.
type Link struct {
	A    End  `json:"a"`
	B    End  `json:"b"`
	MTU  int  `json:"mtu,omitempty"`
	Down bool `json:"down,omitempty"`
	// ImpairAB is what happens to frames from A to B.
	ImpairAB impair.Spec `json:"impair_ab,omitzero"`
	ImpairBA impair.Spec `json:"impair_ba,omitzero"`
}

// Other gives the end that is not e, and whether e is one of them.
func (l *Link) Other(e End) (End, bool) {
	switch e {
	case l.A:
		return l.B, true
	case l.B:
		return l.A, true
	}
	return End{}, false
}

// Node gives the node of that name, nil when there is none.
func (t *Topology) Node(name string) *Node {
	i := slices.IndexFunc(t.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Nodes[i]
}

// Link gives the link that has the end, nil when there is none.
func (t *Topology) Link(e End) *Link {
	i := slices.IndexFunc(t.Links, func(l Link) bool { return l.A == e || l.B == e })
	if i < 0 {
		return nil
	}
	return &t.Links[i]
}

// Interface gives what is known of the node's interface.
func (n *Node) Interface(name string) Interface {
	for _, i := range n.Interfaces {
		if i.Name == name {
			return i
		}
	}
	return Interface{Name: name}
}

// Forget drops what is known of an interface whose link is gone.
func (t *Topology) Forget(e End) {
	n := t.Node(e.Node)
	if n == nil {
		return
	}
	n.Interfaces = slices.DeleteFunc(n.Interfaces, func(i Interface) bool { return i.Name == e.Port })
	for i := range n.Networks {
		n.Networks[i].Ports = slices.DeleteFunc(n.Networks[i].Ports, func(p string) bool { return p == e.Port })
	}
}

// Clone gives a copy that shares nothing that changes.
func (t *Topology) Clone() *Topology {
	c := *t
	c.Nodes, c.Links = slices.Clone(t.Nodes), slices.Clone(t.Links)
	for i := range c.Nodes {
		n := &c.Nodes[i]
		n.Interfaces, n.Networks, n.Peers = slices.Clone(n.Interfaces), slices.Clone(n.Networks), slices.Clone(n.Peers)
		for j := range n.Networks {
			n.Networks[j].Ports = slices.Clone(n.Networks[j].Ports)
		}
	}
	return &c
}

// setInterface changes what is known of an interface.
func (n *Node) setInterface(name string, change func(*Interface)) {
	for i := range n.Interfaces {
		if n.Interfaces[i].Name == name {
			change(&n.Interfaces[i])
			return
		}
	}
	i := Interface{Name: name}
	change(&i)
	n.Interfaces = append(n.Interfaces, i)
}

// NetworkOf gives the network of a router that has the link end as its port,
// nil when the end is an interface of the router's own (its underlay).
func (n *Node) NetworkOf(port string) *Network {
	for i := range n.Networks {
		if slices.Contains(n.Networks[i].Ports, port) {
			return &n.Networks[i]
		}
	}
	return nil
}
