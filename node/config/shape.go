package config

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"weft/ctl"
	"weft/frame"
	"weft/impair"
	"weft/internal/yamlfile"
)

// document reads the whole file.
func (r *reader) document(v value) {
	c := &r.config
	r.fields(v, readers{
		"name":     r.setText(&c.Name),
		"vtep":     r.vtep,
		"peers":    func(v value) { r.items(v, r.peer) },
		"networks": r.networks,
		"offload":  r.offload,
		"workers":  setNumber(r, &c.Workers, 1, ctl.MaxWorkers),
	})
}

func (r *reader) vtep(v value) {
	var s ctl.VTEPSpec
	r.fields(v, readers{
		"address": r.setText(&s.Address),
		"port":    setNumber(r, &s.Port, 1, math.MaxUint16),
		"strict":  r.setBool(&s.Strict),
	})
	r.config.VTEP = &s
}

func (r *reader) offload(v value) {
	var s ctl.OffloadSpec
	known := readers{}
	for _, f := range s.Settings() {
		known[f.Key] = r.setText(f.Value)
	}
	r.fields(v, known)
	r.config.Offload = &s
}

// peer reads ADDR, ADDR:PORT or a mapping.
func (r *reader) peer(v value) {
	var s ctl.PeerSpec
	if addr, ok := text(v.node); ok {
		var err error
		if s.Address, s.Port, err = ctl.ParseHostPort(addr); err != nil {
			r.fail(v.place, "%v", err)
		}
		r.places[v.field+".address"] = v.place
	} else {
		r.fields(v, readers{
			"address":  r.setText(&s.Address),
			"port":     setNumber(r, &s.Port, 1, math.MaxUint16),
			"networks": func(v value) { r.items(v, r.addText(&s.Networks)) },
		})
	}
	r.config.Peers = append(r.config.Peers, s)
}

// networks reads the networks, and the ports in them.
func (r *reader) networks(v value) {
	for _, p := range r.pairs(v) {
		p.field = fmt.Sprintf("networks[%d]", len(r.config.Networks))
		r.places[p.field+".name"] = p.place
		r.network(p.name, r.remember(p.value))
	}
}

func (r *reader) network(name string, v value) {
	s := ctl.NetworkSpec{Name: name}
	hasVNI := false
	r.fields(v, readers{
		"vni": func(v value) {
			hasVNI = true
			setNumber(r, &s.VNI, 1, int64(frame.MaxVNI))(v)
		},
		"mtu":              setNumber(r, &s.MTU, ctl.MinMTU, ctl.MaxMTU),
		"age":              r.setSeconds(&s.AgeSeconds),
		"fdb_limit":        setNumber(r, &s.FDBLimit, 1, ctl.MaxFDBLimit),
		"port_fdb_limit":   setNumber(r, &s.PortFDBLimit, 1, ctl.MaxFDBLimit),
		"forward_reserved": r.setBool(&s.ForwardReserved),
		"no_learning":      r.setBool(&s.NoLearning),
		"ports":            func(v value) { r.ports(name, v) },
	})
	if !hasVNI {
		r.fail(place{v.line, v.key + ".vni"}, "is missing (want 1 to %d, the same on every host)", frame.MaxVNI)
	}
	r.config.Networks = append(r.config.Networks, s)
}

func (r *reader) ports(network string, v value) {
	for _, p := range r.pairs(v) {
		p.field = fmt.Sprintf("ports[%d]", len(r.config.Ports))
		r.places[p.field+".name"] = p.place
		r.port(ctl.PortSpec{Name: p.name, Network: network}, r.remember(p.value))
	}
}

func (r *reader) port(s ctl.PortSpec, v value) {
	maxVLAN := int64(frame.MaxVLAN)
	r.fields(v, readers{
		"type":    r.setText(&s.Type),
		"listen":  r.setText(&s.Listen),
		"connect": r.setText(&s.Connect),
		"netns":   r.setText(&s.NetNS),
		"as":      r.setText(&s.As),
		"mac":     r.setText(&s.MAC),
		"address": r.addresses(&s.Address),
		"mtu":     setNumber(r, &s.MTU, ctl.MinMTU, ctl.MaxMTU),
		"access":  setNumber(r, &s.Access, 1, maxVLAN),
		"trunk":   func(v value) { r.items(v, r.addText(&s.Trunk)) },
		"native":  setNumber(r, &s.Native, 1, maxVLAN),
		"impair":  r.impair(&s.Impair),
	})
	r.config.Ports = append(r.config.Ports, s)
}

// impair reads the conditions of both directions, or of each by itself.
func (r *reader) impair(to *impair.Both) func(value) {
	return func(v value) {
		directed := slices.ContainsFunc(r.pairs(v), func(p pair) bool { return p.name == "to" || p.name == "from" })
		if directed {
			r.fields(v, readers{"to": r.conditions(&to.To), "from": r.conditions(&to.From)})
			return
		}
		v.field += ".to" // where Validate finds fault first
		r.conditions(&to.To)(v)
		to.From = to.To
	}
}

func (r *reader) conditions(to *impair.Spec) func(value) {
	known := readers{}
	names, _ := impair.Keys()
	for _, name := range names {
		known[name] = func(v value) {
			text, ok := text(v.node)
			if f, isFloat := v.node.(*ast.FloatNode); isFloat {
				text, ok = f.Token.Value, true
			}
			if !ok {
				r.fail(v.place, "%s where a string or a number is wanted", yamlfile.KindOf(v.node))
				return
			}
			var e *impair.KeyError
			if err := to.Set(name, text); errors.As(err, &e) {
				r.fail(v.place, "%s", e.Problem)
			}
		}
	}
	return func(v value) { r.fields(v, known) }
}

// addresses reads a list, or one address without the brackets.
func (r *reader) addresses(to *[]string) func(value) {
	return func(v value) {
		if _, ok := v.node.(*ast.StringNode); !ok {
			r.items(v, r.addText(to))
			return
		}
		r.places[v.field+"[0]"] = v.place
		r.addText(to)(v)
	}
}
