package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// segmentsOf numbers the Ethernets of a lab, and says in which each link end
// is: a link joins its ends, a switch joins its ports, a router the ports of
// one network, and routers that are peers the networks of one VNI.
func segmentsOf(t *Topology) map[End]int {
	parent := map[string]string{}
	var find func(string) string
	find = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			parent[s] = find(p)
			return parent[s]
		}
		return s
	}
	union := func(a, b string) { parent[find(a)] = find(b) }
	for _, l := range t.Links {
		union(l.A.String(), l.B.String())
		for _, e := range []End{l.A, l.B} {
			switch n := t.Node(e.Node); {
			case n == nil:
			case n.Kind == Switch:
				union(e.String(), "switch "+n.Name)
			case n.Kind == Router:
				if w := n.NetworkOf(e.Port); w != nil {
					union(e.String(), fmt.Sprintf("router %s %d", n.Name, w.VNI))
				}
			}
		}
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		for _, p := range n.Peers {
			for j := range t.Nodes {
				o := &t.Nodes[j]
				if o.VTEP == nil || o.VTEP.Address != p.Address {
					continue
				}
				for _, w := range n.Networks {
					union(fmt.Sprintf("router %s %d", n.Name, w.VNI), fmt.Sprintf("router %s %d", o.Name, w.VNI))
				}
			}
		}
	}
	numbers, out := map[string]int{}, map[End]int{}
	for _, l := range t.Links {
		for _, e := range []End{l.A, l.B} {
			root := find(e.String())
			if _, ok := numbers[root]; !ok {
				numbers[root] = len(numbers)
			}
			out[e] = numbers[root]
		}
	}
	return out
}

// Address is what a ping goes to: an address, a node, whose first address it
// is, or one of its interfaces.
func (t *Topology) Address(to string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(to); err == nil {
		return a, nil
	}
	name, iface, _ := strings.Cut(to, ":")
	n := t.Node(name)
	if n == nil {
		return netip.Addr{}, fmt.Errorf("%q is neither an address nor a node", to)
	}
	for _, i := range n.Interfaces {
		if iface != "" && i.Name != iface {
			continue
		}
		for _, a := range i.Address {
			if p, err := netip.ParsePrefix(a); err == nil {
				return p.Addr(), nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("%s has no address in the file (name the address itself)", to)
}

// expect reads what an exec test expects.
func (r *reader) expect(v value) string {
	s := r.string(v)
	if re, ok := Pattern(s); ok {
		if _, err := regexp.Compile(re); err != nil {
			r.fail(v, "%v", err)
		}
	}
	return s
}

// Pattern gives the regular expression of an expectation written as /.../.
func Pattern(expect string) (re string, ok bool) {
	if len(expect) < 2 || expect[0] != '/' || expect[len(expect)-1] != '/' {
		return "", false
	}
	return expect[1 : len(expect)-1], true
}
