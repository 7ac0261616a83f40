package topology

import (
	"errors"
	"fmt"
	"slices"

	"weft/ctl"
	"weft/impair"
)

// link reads {endpoints: [A, B]}, and containerlab's longer form of it.
func (r *reader) link(v value, t *Topology) Link {
	var l Link
	ends := 0
	macs := map[End]string{}
	addresses := map[End][]string{}
	r.fields(v, readers{
		"endpoints": func(v value) {
			r.items(v, func(v value) {
				var mac string
				var cidr []string
				e := r.end(v, &mac, &cidr)
				switch ends {
				case 0:
					l.A = e
				case 1:
					l.B = e
				}
				ends++
				macs[e], addresses[e] = mac, cidr
			})
		},
		"type": func(v value) {
			if s := r.string(v); s != "veth" && s != "" {
				r.fail(v, "links of type %q are not supported (want veth; to another machine goes a node of kind remote)", s)
			}
		},
		"mtu": setNumber(r, &l.MTU, ctl.MinMTU, ctl.MaxMTU),
		"state": func(v value) {
			switch s := r.string(v); s {
			case "up":
			case "down":
				l.Down = true
			default:
				r.fail(v, "%q is not a state (want up or down)", s)
			}
		},
		"impair": func(v value) { l.ImpairAB, l.ImpairBA = r.impairs(v) },
		"labels": nil, "vars": nil,
	})
	if ends != 2 {
		r.fail(v, "a link has two endpoints, this one has %d", ends)
		return l
	}
	r.lines[fmt.Sprintf("link %d", len(t.Links))] = v.line
	for e := range macs {
		n := t.Node(e.Node)
		if n == nil {
			continue // check says so
		}
		if macs[e] != "" || len(addresses[e]) > 0 {
			n.setInterface(e.Port, func(i *Interface) {
				i.MAC = macs[e]
				i.Address = append(i.Address, addresses[e]...)
			})
		}
	}
	return l
}

// end reads "NODE:PORT" or {node, interface, mac, ipv4, ipv6}.
func (r *reader) end(v value, mac *string, cidr *[]string) End {
	if s, ok := text(v.node); ok {
		e, ok := ParseEnd(s)
		if !ok {
			r.fail(v, "%q is not a link end (want NODE:INTERFACE, such as h1:eth1)", s)
		}
		return e
	}
	var e End
	address := func(v value) {
		s := r.string(v)
		if problem := prefixProblem(s); problem != "" {
			r.fail(v, "%s", problem)
		}
		*cidr = append(*cidr, s)
	}
	r.fields(v, readers{
		"node":      r.setText(&e.Node),
		"interface": r.setText(&e.Port),
		"mac":       func(v value) { *mac = r.mac(v) },
		"ipv4":      address,
		"ipv6":      address,
		"vars":      nil,
	})
	return e
}

// impairs reads one setting for both ways, or {a-to-b: ..., b-to-a: ...}.
func (r *reader) impairs(v value) (ab, ba impair.Spec) {
	byWay := slices.ContainsFunc(r.scalarPairs(v), func(p pair) bool { return p.name == "a-to-b" || p.name == "b-to-a" })
	if !byWay {
		i := r.impair(v)
		return i, i
	}
	r.fields(v, readers{
		"a-to-b": func(v value) { ab = r.impair(v) },
		"b-to-a": func(v value) { ba = r.impair(v) },
	})
	return ab, ba
}

// impair reads the conditions of one way, in impair's words.
func (r *reader) impair(v value) (s impair.Spec) {
	known := readers{}
	names, _ := impair.Keys()
	for _, name := range names {
		known[name] = func(v value) { r.impairProblem(v, s.Set(name, r.string(v))) }
	}
	r.fields(v, known)
	if len(r.problems) == 0 {
		r.impairProblem(v, s.Validate())
	}
	return s
}

func (r *reader) impairProblem(v value, err error) {
	if e, ok := errors.AsType[*impair.KeyError](err); ok {
		r.fail(v, "%s", e.Problem)
	} else if err != nil {
		r.fail(v, "%v", err)
	}
}
