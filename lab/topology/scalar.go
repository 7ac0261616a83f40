package topology

import (
	"fmt"
	"maps"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"weft/internal/yamlfile"
)

// pair is a key with its value.
type pair struct {
	name string
	value
}

// pairs gives what a mapping holds; nothing for an empty value.
func (r *reader) pairs(v value) (out []pair) {
	pairs, problem := yamlfile.Pairs(v.node, text)
	if problem != "" {
		r.fail(v, "%s", problem)
	}
	for _, p := range pairs {
		at := value{node: p.Value, line: p.Line, key: yamlfile.Join(v.key, p.Name)}
		if p.Problem != "" {
			r.fail(at, "%s", p.Problem)
			continue
		}
		out = append(out, pair{p.Name, at})
	}
	return out
}

// readers says how to read each key.
type readers map[string]func(value)

// fields reads a mapping with a fixed set of keys. A key is read by its entry;
// one whose entry is nil is taken and has no meaning here. One that is not among
// them but in foreign is noted.
func (r *reader) fields(v value, known readers, foreign ...string) {
	for _, p := range r.pairs(v) {
		read, ok := known[p.name]
		switch {
		case !ok && slices.Contains(foreign, p.name):
			r.unused(p.value)
		case !ok:
			r.fail(p.value, "%s", yamlfile.Unknown(meaningful(known)))
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
	items, problem := yamlfile.Items(v.node)
	if problem != "" {
		r.fail(v, "%s", problem)
	}
	for i, item := range items {
		read(value{node: item, line: yamlfile.LineOf(item), key: fmt.Sprintf("%s[%d]", v.key, i)})
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
		r.fail(v, "%s where a string is wanted", yamlfile.KindOf(v.node))
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
		i, problem := yamlfile.Whole(v.node, low, high)
		if problem != "" {
			r.fail(v, "%s", problem)
			return
		}
		*to = T(i)
	}
}

func (r *reader) setBool(to *bool) func(value) {
	return func(v value) {
		b, problem := yamlfile.Bool(v.node)
		if problem != "" {
			r.fail(v, "%s", problem)
			return
		}
		*to = b
	}
}
