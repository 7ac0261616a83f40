package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"weft/ctl"
)

// place is where something stands in the file.
type place struct {
	line int
	key  string // networks.blue.vni
}

// value is a node of the file, and what it becomes.
type value struct {
	node ast.Node
	place
	field string // in a ctl.Config: networks[0].vni
}

// reader turns nodes into a config. It keeps the first error and goes on, so
// that the shape of the file reads as one list of fields.
type reader struct {
	file   string
	config ctl.Config
	places map[string]place // by field
	err    error
}

func (r *reader) fail(p place, format string, args ...any) {
	if r.err != nil {
		return
	}
	key := ""
	if p.key != "" {
		key = p.key + ": "
	}
	r.err = ctl.Invalid("%s:%d: %s%s", r.file, p.line, key, fmt.Sprintf(format, args...))
}

// remember notes where a field stands.
func (r *reader) remember(v value) value {
	r.places[v.field] = v.place
	return v
}

// pair is a key with its value.
type pair struct {
	name string
	value
}

// pairs gives what a mapping holds; nothing for an empty value.
func (r *reader) pairs(v value) []pair {
	var nodes []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.MappingNode:
		nodes = n.Values
	case *ast.MappingValueNode:
		nodes = []*ast.MappingValueNode{n}
	default:
		r.fail(v.place, "%s where keys with values are wanted", kindOf(v.node))
		return nil
	}
	var out []pair
	seen := map[string]bool{}
	for _, n := range nodes {
		name, ok := text(n.Key)
		at := place{line: lineOf(n.Key), key: join(v.key, name)}
		if !ok {
			r.fail(at, "%s cannot be a key", kindOf(n.Key))
			return nil
		}
		if seen[name] {
			r.fail(at, "is there twice")
			return nil
		}
		seen[name] = true
		out = append(out, pair{name, value{node: n.Value, place: at}})
	}
	return out
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// readers says how to read each key.
type readers map[string]func(value)

// fields reads a mapping with a fixed set of keys, each a field of the same name.
func (r *reader) fields(v value, known readers) {
	for _, p := range r.pairs(v) {
		read, ok := known[p.name]
		if !ok {
			r.fail(p.place, "unknown key (want one of %s)", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			return
		}
		p.field = join(v.field, p.name)
		read(r.remember(p.value))
	}
}

// items reads a list; nothing for an empty value.
func (r *reader) items(v value, read func(value)) {
	switch n := v.node.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		for i, item := range n.Values {
			read(r.remember(value{
				node:  item,
				place: place{line: lineOf(item), key: fmt.Sprintf("%s[%d]", v.key, i)},
				field: fmt.Sprintf("%s[%d]", v.field, i),
			}))
		}
	default:
		r.fail(v.place, "%s where a list is wanted", kindOf(v.node))
	}
}

// text is a scalar as it is written: a name such as 007 stays what it is.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	default:
		return "", false
	}
}

// setText reads a string that must not be empty.
func (r *reader) setText(to *string) func(value) {
	return func(v value) {
		s, ok := text(v.node)
		switch {
		case !ok:
			r.fail(v.place, "%s where a string is wanted (put it in quotes)", kindOf(v.node))
		case s == "":
			r.fail(v.place, "is empty (leave the key out)")
		}
		*to = s
	}
}

// addText reads a string to a list.
func (r *reader) addText(to *[]string) func(value) {
	return func(v value) {
		var s string
		r.setText(&s)(v)
		*to = append(*to, s)
	}
}

// setNumber reads a whole number from low to high.
func setNumber[T int | int64 | uint16 | uint32](r *reader, to *T, low, high int64) func(value) {
	return func(v value) {
		n, ok := v.node.(*ast.IntegerNode)
		if !ok {
			r.fail(v.place, "%s where a whole number is wanted", kindOf(v.node))
			return
		}
		i, ok := n.Value.(int64)
		if u, isU := n.Value.(uint64); isU && u <= uint64(high) {
			i, ok = int64(u), true
		}
		if !ok || i < low || i > high {
			r.fail(v.place, "%s is out of range (want %d to %d)", n.Token.Value, low, high)
			return
		}
		*to = T(i)
	}
}

func (r *reader) setBool(to *bool) func(value) {
	return func(v value) {
		n, ok := v.node.(*ast.BoolNode)
		if !ok {
			r.fail(v.place, "%s where true or false is wanted", kindOf(v.node))
			return
		}
		*to = n.Value
	}
}

// setSeconds reads a duration in whole seconds.
func (r *reader) setSeconds(to *int64) func(value) {
	return func(v value) {
		s, _ := text(v.node)
		d, err := time.ParseDuration(s)
		if err != nil || d%time.Second != 0 {
			r.fail(v.place, "%q is not a duration in whole seconds (want one such as 300s)", s)
			return
		}
		*to = int64(d / time.Second)
		if *to < 1 || *to > ctl.MaxAgeSeconds {
			r.fail(v.place, "%s is out of range (want 1s to %ds)", s, ctl.MaxAgeSeconds)
		}
	}
}

// kindOf names what a node is, for people.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode:
		return "a whole number"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.StringNode, *ast.LiteralNode:
		return "a string"
	default:
		return "something else"
	}
}
