package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// pair is a key with its value.
type pair struct {
	name string
	value
}

// pairs gives what a mapping holds; nothing for an empty value.
func (r *reader) pairs(v value) []pair {
	var nodes []*ast.MappingValueNode
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		nodes = n.Values
	case *ast.MappingValueNode:
		nodes = []*ast.MappingValueNode{n}
	default:
		r.fail(v, "%s where keys with values are wanted", kindOf(v.node))
		return nil
	}
	var out []pair
	seen := map[string]bool{}
	for _, n := range nodes {
		name, ok := text(n.Key)
		p := pair{name, value{node: n.Value, line: lineOf(n.Key), key: join(v.key, name)}}
		switch {
		case !ok:
			r.fail(p.value, "%s cannot be a key", kindOf(n.Key))
		case seen[name]:
			r.fail(p.value, "is there twice")
		default:
			seen[name] = true
			out = append(out, p)
		}
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

// fields reads a mapping with a fixed set of keys. A key is read by its entry;
// one whose entry is nil is taken and has no meaning here.
func (r *reader) fields(v value, known readers) {
	for _, p := range r.pairs(v) {
		read, ok := known[p.name]
		switch {
		case !ok:
			r.fail(p.value, "unknown key (want one of %s)", strings.Join(slices.Sorted(maps.Keys(meaningful(known))), ", "))
		case read != nil:
			read(p.value)
		}
	}
}

func meaningful(known readers) readers {
	out := maps.Clone(known)
	maps.DeleteFunc(out, func(_ string, read func(value)) bool { return read == nil })
	return out
}

// items reads a list; nothing for an empty value.
func (r *reader) items(v value, read func(value)) {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
	case *ast.SequenceNode:
		for i, item := range n.Values {
			read(value{node: item, line: lineOf(item), key: fmt.Sprintf("%s[%d]", v.key, i)})
		}
	default:
		r.fail(v, "%s where a list is wanted", kindOf(v.node))
	}
}

// text is a scalar as it is written: a name such as 007 stays what it is.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

// string reads a string that must not be empty.
func (r *reader) string(v value) string {
	s, ok := text(v.node)
	switch {
	case !ok:
		r.fail(v, "%s where a string is wanted", kindOf(v.node))
	case s == "":
		r.fail(v, "is empty (leave the key out)")
	}
	return s
}

func (r *reader) setText(to *string) func(value) { return func(v value) { *to = r.string(v) } }

// addText reads a list of strings, or one without the brackets, to the end of
// what is there.
func (r *reader) addText(to *[]string) func(value) {
	return func(v value) {
		if _, ok := text(v.node); ok {
			*to = append(*to, r.string(v))
			return
		}
		r.items(v, func(v value) { *to = append(*to, r.string(v)) })
	}
}

// setNumber reads a whole number from low to high.
func setNumber[T int | int64 | uint16 | uint32 | uint64](r *reader, to *T, low, high int64) func(value) {
	return func(v value) {
		n, ok := v.node.(*ast.IntegerNode)
		if !ok {
			r.fail(v, "%s where a whole number is wanted", kindOf(v.node))
			return
		}
		i, ok := n.Value.(int64)
		if u, isU := n.Value.(uint64); isU && u <= uint64(high) {
			i, ok = int64(u), true
		}
		if !ok || i < low || i > high {
			r.fail(v, "%s is out of range (want %d to %d)", n.Token.Value, low, high)
			return
		}
		*to = T(i)
	}
}

func (r *reader) setBool(to *bool) func(value) {
	return func(v value) {
		n, ok := v.node.(*ast.BoolNode)
		if !ok {
			r.fail(v, "%s where true or false is wanted", kindOf(v.node))
			return
		}
		*to = n.Value
	}
}
