package topology

import (
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
func Load(path string) (*Topology, error) {
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
	t, err := Parse(path, data)
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
func Parse(name string, data []byte) (*Topology, error) {
	r := &reader{file: name, lines: map[string]int{}}
	if doc, ok := r.document(data); ok {
		t := &Topology{}
		r.topology(doc, t)
		if len(r.problems) == 0 {
			r.check(t)
		}
		if len(r.problems) == 0 {
			return t, nil
		}
	}
	return nil, r.err()
}

// common is what nodes may have in common.
type common struct {
	defaults value
	kinds    map[string]value // by the name of the kind as it is written
}

func (r *reader) topology(v value, t *Topology) {
	var nodes, links, tests value
	c := common{kinds: map[string]value{}}
	r.fields(v, readers{
		"name": func(v value) {
			t.Name = r.string(v)
			r.lines["name"] = v.line
		},
		"tests": func(v value) { tests = v },
		"topology": func(v value) {
			r.fields(v, readers{
				"defaults": func(v value) { c.defaults = v },
				"kinds": func(v value) {
					for _, p := range r.pairs(v) {
						c.kinds[p.name] = p.value
						r.kind(value{line: p.line, key: p.key}, p.name)
					}
				},
				"nodes": func(v value) { nodes = v },
				"links": func(v value) { links = v },
			})
		},
		// containerlab's, of its management network and of how it names things.
		"prefix": nil, "mgmt": nil, "settings": nil, "debug": nil,
	})
	if t.Name == "" && len(r.problems) == 0 {
		r.fail(value{line: 1, key: "name"}, "is missing")
	}
	for _, p := range r.pairs(nodes) {
		t.Nodes = append(t.Nodes, r.node(p, c))
	}
	r.items(links, func(v value) { t.Links = append(t.Links, r.link(v, t)) })
	r.items(tests, func(v value) { t.Tests = append(t.Tests, r.test(v)) })
}

// aliases are kinds that other programs' files use for what one of ours is.
var aliases = map[string]Kind{"linux": Container, "bridge": Switch, "ovs-bridge": Switch}

func (r *reader) kind(v value, s string) Kind {
	for _, k := range Kinds {
		if s == string(k) {
			return k
		}
	}
	if k, ok := aliases[s]; ok {
		return k
	}
	var names []string
	for _, k := range Kinds {
		names = append(names, string(k))
	}
	r.fail(v, "unknown kind %q (want one of %s; linux is taken for container, bridge for switch)", s, strings.Join(names, ", "))
	return ""
}

// node reads a node: the defaults, then what its kind has, then its own.
func (r *reader) node(p pair, c common) Node {
	n := Node{Name: p.name}
	r.lines["node "+p.name] = p.line
	kind := ""
	for _, v := range []value{c.defaults, p.value} {
		for _, f := range r.scalarPairs(v) {
			if f.name == "kind" {
				kind = r.string(f.value)
				r.lines["kind "+p.name] = f.line
			}
		}
	}
	if kind == "" {
		kind = string(Host)
	}
	n.Kind = r.kind(value{line: r.lineOf("kind "+p.name, p.line), key: p.key + ".kind"}, kind)
	if n.Kind == "" {
		return n
	}
	for _, v := range []value{c.defaults, c.kinds[kind], p.value} {
		// What all have in common may not fit each kind.
		r.nodeFields(v, &n, v.key == p.key)
	}
	return n
}

// scalarPairs gives the pairs of a mapping without complaint: they are read
// again.
func (r *reader) scalarPairs(v value) []pair {
	quiet := &reader{}
	return quiet.pairs(v)
}

func (r *reader) lineOf(what string, otherwise int) int {
	if line, ok := r.lines[what]; ok {
		return line
	}
	return otherwise
}

// nodeFields reads what is said of a node. With own, a key that the node's
// kind has no use for is refused.
func (r *reader) nodeFields(v value, n *Node, own bool) {
	only := func(read func(value), kinds ...Kind) func(value) {
		return func(v value) {
			switch {
			case slices.Contains(kinds, n.Kind):
				read(v)
			case own:
				r.fail(v, "a node of kind %s has no such key", n.Kind)
			}
		}
	}
	r.fields(v, readers{
		"kind":             func(value) {},
		"address":          only(func(v value) { r.addresses(v, n) }, Host, Router, VM, Container), // of a VM what it gives itself
		"mac":              only(func(v value) { r.macs(v, n) }, Host, Router, VM, Container),
		"exec":             only(r.addText(&n.Exec), Host, Router, Container),
		"env":              only(func(v value) { r.env(v, n) }, Host, Router, Container),
		"vtep":             only(func(v value) { n.VTEP = r.vtep(v) }, Router, Remote),
		"networks":         only(func(v value) { r.networks(v, n) }, Router),
		"peers":            only(func(v value) { r.items(v, func(v value) { r.peer(v, n) }) }, Router, Remote),
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
		// containerlab's, for people and for its own drawings.
		"labels": nil, "position": nil, "mgmt-ipv4": nil, "mgmt-ipv6": nil, "group": nil,
	})
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

func (r *reader) addresses(v value, n *Node) {
	r.perInterface(v, func(name string, v value) {
		var list []string
		r.addText(&list)(v)
		for _, a := range list {
			if problem := prefixProblem(a); problem != "" {
				r.fail(v, "%s", problem)
			}
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
