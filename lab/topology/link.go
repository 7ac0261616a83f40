package topology

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"weft/ctl"
	"weft/impair"
	"weft/internal/yamlfile"
)

// link reads {endpoints: [A, B]}, and containerlab's longer form of it.
func (r *reader) link(v value, t *Topology) Link {
	var l Link
	kind := r.linkType(v)
	if kind == "" {
		return l
	}
	ends := 0
	var pairs []value // addresses of both ends
	addPair := func(v value) { pairs = append(pairs, v) }
	macs := map[End]string{}
	addresses := map[End][]string{}
	addEnd := func(v value) {
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
	}
	known := readers{
		"endpoints": func(v value) { r.items(v, addEnd) },
		"type":      nil, // linkType has it
		"mtu":       setNumber(r, &l.MTU, ctl.MinMTU, ctl.MaxMTU),
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
		"ipv4":   addPair, "ipv6": addPair,
		"vars":   func(v value) { r.addressVars(v, addPair) },
		"labels": nil,
	}
	var far Node
	if kind == linkVXLAN {
		maps.Copy(known, r.farEnd(&far))
		known["endpoint"] = addEnd
		delete(known, "endpoints")
	}
	r.fields(v, known)
	if kind == linkVXLAN && ends == 1 {
		l.B = r.addFarEnd(v, t, far)
		ends++
	}
	if ends != 2 {
		r.fail(v, "a link has two endpoints, this one has %d", ends)
		return l
	}
	for _, p := range pairs {
		r.pairOf(p, &l, func(e End, a string) { addresses[e] = append(addresses[e], a) })
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
	address := func(v value) { *cidr = append(*cidr, r.prefix(v)) }
	r.fields(v, readers{
		"node":      r.setText(&e.Node),
		"interface": r.setText(&e.Port),
		"mac":       func(v value) { *mac = r.mac(v) },
		"ipv4":      address,
		"ipv6":      address,
		"vars":      func(v value) { r.addressVars(v, address) },
	})
	return e
}

// addressVars reads what is known of the variables that containerlab's files
// may give a link or an end; the others are for its templates.
func (r *reader) addressVars(v value, read func(value)) {
	for _, p := range r.scalarPairs(v) {
		if p.name == "ipv4" || p.name == "ipv6" {
			read(value{node: p.node, line: p.line, key: yamlfile.Join(v.key, p.name)})
		}
	}
}

// pairOf reads the addresses of a link's two ends in their order. One of the
// two may be empty.
func (r *reader) pairOf(v value, l *Link, add func(End, string)) {
	ends := []End{l.A, l.B}
	r.items(v, func(v value) {
		if len(ends) == 0 {
			r.fail(v, "a link has two ends")
			return
		}
		if s, ok := text(v.node); !ok || s != "" {
			add(ends[0], r.prefix(v))
		}
		ends = ends[1:]
	})
}

// prefix reads an address with its prefix length.
func (r *reader) prefix(v value) string {
	s := r.string(v)
	r.checkPrefix(v, s)
	return s
}

func (r *reader) checkPrefix(v value, s string) {
	if problem := prefixProblem(s); problem != "" {
		r.fail(v, "%s", problem)
	}
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
