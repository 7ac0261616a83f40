package topology

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weft/ctl"
	"weft/internal/yamlfile"
)

// Load reads and checks the file. What paths in it are relative to is its
// directory.
//
// Kinds of other programs are taken for what as says; nil is for none but those
// that are ours by another name.
func Load(path string, as As) (*Topology, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// A little more than is allowed, for Parse to refuse.
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	t, err := parseAs(path, data, as)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return t, t.locate(dir)
}

// locate makes the paths in the topology absolute and looks whether the files
// are there.
func (t *Topology) locate(dir string) error {
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if err := n.locateBinds(dir); err != nil {
			return err
		}
		if n.Kind != VM {
			continue
		}
		for what, path := range map[string]*string{"image": &n.Image, "kernel": &n.Kernel, "initrd": &n.Initrd} {
			if *path == "" {
				continue
			}
			if !filepath.IsAbs(*path) {
				*path = filepath.Join(dir, *path)
			}
			if _, err := os.Stat(*path); err != nil {
				return fmt.Errorf("node %s: %s: %w", n.Name, what, err)
			}
		}
	}
	return nil
}

// Parse reads a file's content and checks it. name is the file's, for messages.
// The error is a [*Problems] with all that is wrong.
func Parse(name string, data []byte) (*Topology, error) { return parseAs(name, data, nil) }

func parseAs(name string, data []byte, as As) (*Topology, error) {
	r := &reader{file: name, as: as, lines: map[string]int{}}
	if doc, ok := r.document(data); ok {
		t := &Topology{}
		r.topology(doc, t)
		if len(r.problems) == 0 {
			r.check(t)
		}
		if len(r.problems) == 0 {
			t.Notes = r.noted()
			return t, nil
		}
	}
	return nil, r.err()
}

// common is what nodes may have in common.
type common struct {
	defaults value
	kinds    map[string]value // by the name of the kind as it is written
	groups   map[string]value
}

func (r *reader) topology(v value, t *Topology) {
	var nodes, links, tests value
	c := common{kinds: map[string]value{}, groups: map[string]value{}}
	r.fields(v, readers{
		"name": func(v value) {
			t.Name = r.string(v)
			r.lines["name"] = v.line
		},
		"tests":   func(v value) { tests = v },
		"offload": func(v value) { r.offload(v, t) },
		"topology": func(v value) {
			r.fields(v, readers{
				"defaults": func(v value) { c.defaults = v },
				"kinds": func(v value) {
					for _, p := range r.pairs(v) {
						c.kinds[p.name] = p.value
						_, _ = r.kind(value{line: p.line, key: p.key}, p.name)
					}
				},
				"groups": func(v value) {
					for _, p := range r.pairs(v) {
						c.groups[p.name] = p.value
					}
				},
				"nodes": func(v value) { nodes = v },
				"links": func(v value) { links = v },
			})
		},
		"prefix": nil, // containerlab's names of containers begin with it
	}, foreignTop...)
	if t.Name == "" && len(r.problems) == 0 {
		r.fail(value{line: 1, key: "name"}, "is missing")
	}
	for _, p := range r.pairs(nodes) {
		t.Nodes = append(t.Nodes, r.node(p, c))
	}
	r.items(links, func(v value) { t.Links = append(t.Links, r.link(v, t)) })
	r.items(tests, func(v value) { t.Tests = append(t.Tests, r.test(v)) })
}

// offload reads what weft.yaml has under that key.
func (r *reader) offload(v value, t *Topology) {
	known := readers{}
	for _, f := range t.Offload.Settings() {
		known[f.Key] = r.setText(f.Value)
	}
	r.fields(v, known)
	if e, ok := errors.AsType[*ctl.Error](t.Offload.Validate()); ok {
		v.key += "." + e.Field
		r.fail(v, "%s", e.Problem)
	}
}

// node reads a node: the defaults, then what its kind and its group have, then
// its own.
func (r *reader) node(p pair, c common) Node {
	n := Node{Name: p.name}
	r.lines["node "+p.name] = p.line
	group := c.groups[r.said(p.value, "group").text]
	kind := said{text: string(Host), line: p.line}
	for _, v := range []value{c.defaults, group, p.value} {
		if s := r.said(v, "kind"); s.line != 0 {
			kind = s
		}
	}
	var foreign bool
	n.Kind, foreign = r.kind(value{line: kind.line, key: p.key + ".kind"}, kind.text)
	if n.Kind == "" {
		return n
	}
	for _, v := range []value{c.defaults, c.kinds[kind.text], group, p.value} {
		// What all have in common may not fit each kind.
		r.nodeFields(v, &n, v.key == p.key, foreign)
	}
	return n
}

// said is the text of a key and its line, which is 0 where the key is not there.
type said struct {
	text string
	line int
}

func (r *reader) said(v value, key string) (s said) {
	for _, f := range r.scalarPairs(v) {
		if f.name == key {
			s = said{r.string(f.value), f.line}
		}
	}
	return s
}

// scalarPairs gives the pairs of a mapping without complaint: they are read
// again.
func (r *reader) scalarPairs(v value) []pair {
	quiet := &reader{}
	return quiet.pairs(v)
}

func (r *reader) lineOf(what string) int {
	if line, ok := r.lines[what]; ok {
		return line
	}
	return 1
}

// nodeFields reads what is said of a node. With own, a key that the node's
// kind has no use for is refused, but for a kind of another program.
func (r *reader) nodeFields(v value, n *Node, own, foreign bool) {
	only := func(read func(value), kinds ...Kind) func(value) {
		return func(v value) {
			switch {
			case slices.Contains(kinds, n.Kind):
				read(v)
			case own && foreign:
				r.unused(v)
			case own:
				r.fail(v, "a node of kind %s has no such key", n.Kind)
			}
		}
	}
	r.fields(v, readers{
		"kind":             func(value) {},
		"address":          only(func(v value) { r.addressOf(v, n) }, Host, Router, VM, Container, Remote), // of a VM what it gives itself
		"mac":              only(func(v value) { r.macs(v, n) }, Host, Router, VM, Container),
		"exec":             only(r.addText(&n.Exec), Host, Router, Container),
		"env":              only(func(v value) { r.env(v, n) }, Host, Router, Container),
		"vtep":             only(func(v value) { r.vtepOf(v, n) }, Router, Remote),
		"networks":         only(func(v value) { r.networks(v, n) }, Router),
		"peers":            only(func(v value) { r.items(v, func(v value) { r.peer(v, n) }) }, Router),
		"vni":              only(setNumber(r, &n.VNI, 1, maxVNI), Remote),
		"mtu":              only(setNumber(r, &n.MTU, ctl.MinMTU, ctl.MaxMTU), Switch),
		"forward_reserved": only(r.setBool(&n.ForwardReserved), Switch),
		"image":            only(r.setText(&n.Image), VM, Container),
		"memory":           only(r.setText(&n.Memory), VM),
		"cpu":              only(setNumber(r, &n.CPU, 1, 256), VM),
		"kernel":           only(r.setText(&n.Kernel), VM),
		"initrd":           only(r.setText(&n.Initrd), VM),
		"append":           only(r.setText(&n.Append), VM),
		"manual":           only(r.setBool(&n.Manual), VM),
		"cmd":              only(r.setText(&n.Command), Container),
		"binds":            only(func(v value) { r.binds(v, n) }, Container),
		"group":            func(value) {},
		"labels":           nil, "position": nil, // for people
	}, foreignNode...)
}

// perInterface reads a mapping from the names of interfaces.
func (r *reader) perInterface(v value, read func(name string, v value)) {
	for _, p := range r.pairs(v) {
		if problem := portProblem(p.name); problem != "" {
			r.fail(p.value, "%s", problem)
			continue
		}
		read(p.name, p.value)
	}
}

// addressOf reads the addresses of a node's interfaces, of a remote that of the
// other machine.
func (r *reader) addressOf(v value, n *Node) {
	if n.Kind == Remote {
		r.remoteAddress(v, n)
		return
	}
	r.addresses(v, n)
}

func (r *reader) addresses(v value, n *Node) {
	r.perInterface(v, func(name string, v value) {
		var list []string
		r.addText(&list)(v)
		for _, a := range list {
			r.checkPrefix(v, a)
		}
		r.lines["address "+n.Name+":"+name] = v.line
		n.setInterface(name, func(i *Interface) { i.Address = list })
	})
}

func (r *reader) macs(v value, n *Node) {
	r.perInterface(v, func(name string, v value) {
		mac := r.mac(v)
		n.setInterface(name, func(i *Interface) { i.MAC = mac })
	})
}

func (r *reader) mac(v value) string {
	s := r.string(v)
	if problem := macProblem(s); s != "" && problem != "" {
		r.fail(v, "%s", problem)
	}
	return s
}

// env reads NAME: VALUE pairs, or a list of NAME=VALUE.
func (r *reader) env(v value, n *Node) {
	if _, ok := v.node.(*ast.SequenceNode); ok {
		r.items(v, func(v value) {
			s := r.string(v)
			if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
				r.fail(v, "%q is not NAME=VALUE", s)
			}
			n.Env = append(n.Env, s)
		})
		return
	}
	for _, p := range r.pairs(v) {
		n.Env = append(n.Env, p.name+"="+r.string(p.value))
	}
}
