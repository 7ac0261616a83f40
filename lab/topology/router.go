package topology

import (
	"math"

	"weft/ctl"
	"weft/frame"
)

const maxVNI = int64(frame.MaxVNI)

// vtep reads ADDR[:PORT], or a mapping as weft.yaml has it.
func (r *reader) vtep(v value) *ctl.VTEPSpec {
	var s ctl.VTEPSpec
	if addr, ok := text(v.node); ok {
		var err error
		if s.Address, s.Port, err = ctl.ParseHostPort(addr); err != nil {
			r.fail(v, "%v", err)
		}
		return &s
	}
	r.fields(v, readers{
		"address": r.setText(&s.Address),
		"port":    setNumber(r, &s.Port, 1, math.MaxUint16),
		"strict":  r.setBool(&s.Strict),
	})
	return &s
}

func (r *reader) networks(v value, n *Node) {
	for _, p := range r.pairs(v) {
		w := Network{NetworkSpec: ctl.NetworkSpec{Name: p.name}}
		r.lines["network "+n.Name+" "+p.name] = p.line
		r.fields(p.value, readers{
			"vni":              setNumber(r, &w.VNI, 1, maxVNI),
			"mtu":              setNumber(r, &w.MTU, ctl.MinMTU, ctl.MaxMTU),
			"age":              r.seconds(&w.AgeSeconds),
			"fdb_limit":        setNumber(r, &w.FDBLimit, 1, ctl.MaxFDBLimit),
			"port_fdb_limit":   setNumber(r, &w.PortFDBLimit, 1, ctl.MaxFDBLimit),
			"forward_reserved": r.setBool(&w.ForwardReserved),
			"no_learning":      r.setBool(&w.NoLearning),
			"ports":            func(v value) { r.items(v, func(v value) { w.Ports = append(w.Ports, r.string(v)) }) },
		})
		if w.VNI == 0 {
			r.fail(value{line: p.line, key: p.key + ".vni"}, "is missing (want 1 to %d, the same on every router)", maxVNI)
		}
		n.Networks = append(n.Networks, w)
	}
}

// seconds reads a duration in whole seconds, as weft.yaml has it.
func (r *reader) seconds(to *int64) func(value) {
	return func(v value) {
		d, err := parseDuration(r.string(v))
		*to = int64(d.Seconds())
		if err != nil || float64(*to) != d.Seconds() || *to < 1 || *to > ctl.MaxAgeSeconds {
			r.fail(v, "want a duration in whole seconds such as 300s")
		}
	}
}

// peer reads ADDR, ADDR:PORT, a mapping as weft.yaml has it, or the name of a
// router of this lab, which check makes an address of.
func (r *reader) peer(v value, n *Node) {
	var s ctl.PeerSpec
	if addr, ok := text(v.node); ok {
		var err error
		if s.Address, s.Port, err = ctl.ParseHostPort(addr); err != nil {
			if nodeProblem(addr) != "" {
				r.fail(v, "%v", err)
			}
			s.Address = addr
		}
	} else {
		r.fields(v, readers{
			"address":  r.setText(&s.Address),
			"port":     setNumber(r, &s.Port, 1, math.MaxUint16),
			"networks": r.addText(&s.Networks),
		})
	}
	r.lines["peer "+n.Name+" "+s.Address] = v.line
	n.Peers = append(n.Peers, s)
}
