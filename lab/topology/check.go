package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"weft/ctl"
)

var (
	// A lab's name is a directory's and part of a socket's path, of which
	// 107 bytes fit.
	labForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)
	nodeForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)
)

const nameWant = `(want 1 to 32 letters, digits, "_" and "-", a letter or digit first)`

// NameProblem says what keeps s from being a lab's name, "" when nothing does.
func NameProblem(s string) string {
	if !labForm.MatchString(s) {
		return fmt.Sprintf("%q is not a name %s", s, nameWant)
	}
	return ""
}

func nodeProblem(s string) string {
	if !nodeForm.MatchString(s) {
		return fmt.Sprintf("%q is not a node's name %s", s, nameWant)
	}
	return ""
}

// portProblem asks ctl, whose ports these become.
func portProblem(s string) string {
	return problemOf(ctl.PortSpec{Name: "p", Network: "n", As: s}.Validate(), s == "", "is missing")
}

func prefixProblem(s string) string {
	return problemOf(ctl.PortSpec{Name: "p", Network: "n", Address: []string{s}}.Validate(), s == "", "is missing")
}

func macProblem(s string) string {
	return problemOf(ctl.PortSpec{Name: "p", Network: "n", MAC: s}.Validate(), s == "", "is missing")
}

func problemOf(err error, empty bool, otherwise string) string {
	if empty {
		return otherwise
	}
	if e, ok := err.(*ctl.Error); ok { //nolint:errorlint // Validate wraps nothing
		return e.Problem
	}
	return ""
}

// Check checks a topology that was changed by other means than its file. The
// error is one line, about what is wrong first: the others may follow from it.
func Check(t *Topology) error {
	r := &reader{lines: map[string]int{}}
	r.check(t)
	if len(r.problems) == 0 {
		return nil
	}
	return errors.New(r.problems[0])
}

// check looks at what the parts must not have in common, and whether what they
// name is there.
func (r *reader) check(t *Topology) {
	if problem := NameProblem(t.Name); problem != "" {
		r.fail(value{line: r.lines["name"], key: "name"}, "%s", problem)
	}
	if len(t.Nodes) == 0 {
		r.fail(value{line: 1, key: "topology.nodes"}, "is missing: a lab without nodes")
	}
	for _, n := range t.Nodes {
		if problem := nodeProblem(n.Name); problem != "" {
			r.fail(r.atNode(n.Name), "%s", problem)
		}
	}
	if len(r.problems) > 0 {
		return
	}
	r.checkLinks(t)
	for i := range t.Nodes {
		if t.Nodes[i].Kind == Router {
			r.checkRouter(t, &t.Nodes[i])
		}
		r.checkKind(&t.Nodes[i])
	}
	r.checkRemotes(t)
	r.checkAddresses(t)
	r.checkTests(t)
}

func (r *reader) atNode(name string) value {
	return value{line: r.lineOf("node " + name), key: "topology.nodes." + name}
}

func (r *reader) atLink(i int) value {
	return value{line: r.lineOf(fmt.Sprintf("link %d", i)), key: fmt.Sprintf("topology.links[%d]", i)}
}

func (r *reader) checkLinks(t *Topology) {
	used := map[End]int{}
	for i := range t.Links {
		l := &t.Links[i]
		at := r.atLink(i)
		if r.file == "" {
			at.key = fmt.Sprintf("link %s - %s", l.A, l.B)
		}
		for _, side := range []struct{ e, other *End }{{&l.A, &l.B}, {&l.B, &l.A}} {
			e := side.e
			n := t.Node(e.Node)
			if n == nil && slices.Contains(outside, e.Node) {
				r.fail(at, "%s: links to the machine itself are not supported (to another machine goes a node of kind remote)", e)
				continue
			}
			if n == nil {
				r.fail(at, "there is no node %q", e.Node)
				continue
			}
			if e.Port == "" {
				if n.Kind != Switch && n.Kind != Remote || side.other.Port == "" {
					r.fail(at, "%q names no interface (write it as %s:eth1; only a switch's or a remote's may be left out)", e.Node, e.Node)
					continue
				}
				e.Port = side.other.Node + "-" + side.other.Port // it is called by who is there
			} else if problem := portProblem(e.Port); problem != "" {
				r.fail(at, "%s: %s", e, problem)
				continue
			}
			if e.Port == "lo" {
				r.fail(at, "%s: lo is every host's own", e)
			}
			if before, taken := used[*e]; taken {
				other := fmt.Sprintf("in line %d", r.atLink(before).line)
				if r.file == "" {
					other = fmt.Sprintf("%s - %s", t.Links[before].A, t.Links[before].B)
				}
				r.fail(at, "%s is an end of the link %s already", e, other)
			}
			used[*e] = i
		}
		if l.A == l.B {
			r.fail(at, "both ends are %s", l.A)
		}
	}
}

// checkRouter decides which link ends of a router are ports of which network:
// those that a network names and, where there is but one network, all that
// have no address.
func (r *reader) checkRouter(t *Topology, n *Node) {
	if len(n.Networks) == 0 {
		n.Networks = []Network{{NetworkSpec: ctl.NetworkSpec{Name: "lan", VNI: 1}}}
	}
	port := map[string]string{}
	for _, w := range n.Networks {
		at := value{line: r.lineOf("network " + n.Name + " " + w.Name), key: "topology.nodes." + n.Name + ".networks." + w.Name}
		for _, p := range w.Ports {
			if other, ok := port[p]; ok {
				r.fail(at, "%s is a port of %s already", p, other)
			}
			port[p] = w.Name
			if t.Link(End{n.Name, p}) == nil {
				r.fail(at, "no link ends at %s:%s", n.Name, p)
			}
			if len(n.Interface(p).Address) > 0 {
				r.fail(at, "%s has an address, so it is an interface of the router's own (leave it out of ports, or take the address away)", p)
			}
		}
	}
	for _, l := range t.Links {
		for _, e := range []End{l.A, l.B} {
			if e.Node != n.Name || port[e.Port] != "" || len(n.Interface(e.Port).Address) > 0 {
				continue
			}
			if len(n.Networks) > 1 {
				r.fail(r.atNode(n.Name), "%s is neither a port of one of its networks nor has it an address", e.Port)
				continue
			}
			n.Networks[0].Ports = append(n.Networks[0].Ports, e.Port)
		}
	}
	for i := range n.Peers {
		p := &n.Peers[i]
		if _, err := netip.ParseAddr(p.Address); err == nil {
			continue
		}
		at := value{line: r.lineOf("peer " + n.Name + " " + p.Address), key: "topology.nodes." + n.Name + ".peers"}
		other := t.Node(p.Address)
		switch {
		case other == nil || other.Kind != Router:
			r.fail(at, "%q is neither an address nor a router of this lab", p.Address)
		case other.VTEP == nil:
			r.fail(at, "router %s has no vtep", other.Name)
		default:
			p.Address = other.VTEP.Address
			if p.Port == 0 {
				p.Port = other.VTEP.Port
			}
		}
	}
	if len(n.Peers) > 0 && n.VTEP == nil {
		r.fail(r.atNode(n.Name), "has peers and no vtep (the address that they see)")
	}
	if len(r.problems) > 0 {
		return
	}
	if n.VTEP != nil && !n.hasAddress(n.VTEP.Address) {
		r.fail(r.atNode(n.Name), "vtep %s is the address of none of its interfaces (give it in address)", n.VTEP.Address)
	}
	c := ctl.Config{VTEP: n.VTEP, Peers: n.Peers}
	for _, w := range n.Networks {
		c.Networks = append(c.Networks, w.NetworkSpec)
	}
	if err := c.Validate(); err != nil {
		r.fail(r.atNode(n.Name), "%v", err)
	}
}

func (n *Node) hasAddress(addr string) bool {
	for _, i := range n.Interfaces {
		for _, a := range i.Address {
			if host, _, _ := strings.Cut(a, "/"); host == addr {
				return true
			}
		}
	}
	return false
}

// checkKind looks at what a kind needs.
func (r *reader) checkKind(n *Node) {
	at := r.atNode(n.Name)
	switch n.Kind {
	case VM:
		if n.Image == "" && n.Kernel == "" && !n.Manual {
			r.fail(at, "a vm needs an image or a kernel (or manual: true, for one that you start)")
		}
	case Container:
		if n.Image == "" {
			r.fail(at, "a container needs an image")
		}
		if _, err := n.Args(); err != nil {
			r.fail(at, "cmd: %v", err)
		}
	case Host, Router, Switch, Remote:
	}
}

// checkAddresses refuses an address that two nodes, or two interfaces of one,
// have in common. Two in networks apart may well be the same, so what collides
// is looked for among nodes that share a segment.
func (r *reader) checkAddresses(t *Topology) {
	segments := segmentsOf(t)
	type key struct {
		segment int
		addr    netip.Addr
	}
	seen := map[key]string{}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		own := map[netip.Addr]string{}
		for _, iface := range n.Interfaces {
			e := End{n.Name, iface.Name}
			at := value{line: r.lineOf("address " + e.String()), key: "topology.nodes." + n.Name + ".address." + iface.Name}
			if iface.Name != "lo" && t.Link(e) == nil {
				r.fail(at, "no link ends at %s", e)
				continue
			}
			for _, a := range iface.Address {
				p, err := netip.ParsePrefix(a)
				if err != nil {
					continue
				}
				if other := own[p.Addr()]; other != "" && !p.Addr().IsLinkLocalUnicast() {
					r.fail(at, "%s is the address of %s already", p.Addr(), other)
					continue
				}
				own[p.Addr()] = e.String()
				segment, ok := segments[e]
				if !ok {
					continue
				}
				k := key{segment, p.Addr()}
				if other := seen[k]; other != "" {
					r.fail(at, "%s is the address of %s already, in the same Ethernet", p.Addr(), other)
				}
				seen[k] = e.String()
			}
		}
	}
}

func (r *reader) checkTests(t *Topology) {
	for i, test := range t.Tests {
		at := value{key: fmt.Sprintf("tests[%d]", i)}
		if test.Link != nil {
			at.line = r.lineOf("test " + test.Link.End.String())
			if t.Link(test.Link.End) == nil {
				r.fail(at, "no link ends at %s", test.Link.End)
			}
			continue
		}
		node := ""
		if test.Ping != nil {
			node = test.Ping.From
			at.line = r.lineOf("test " + node)
			if _, err := t.Address(test.Ping.To); err != nil {
				r.fail(value{line: r.lineOf("test " + test.Ping.To), key: at.key}, "%v", err)
			}
		} else {
			node = test.Exec.Node
			at.line = r.lineOf("test " + node)
		}
		switch n := t.Node(node); {
		case node == "":
			r.fail(at, "names no node")
		case n == nil:
			r.fail(at, "there is no node %q", node)
		case !n.Kind.HasNamespace():
			r.fail(at, "nothing can be run in %s, a node of kind %s", node, n.Kind)
		}
	}
}
