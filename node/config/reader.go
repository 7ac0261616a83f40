package config

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"

	"weft/ctl"
	"weft/internal/yamlfile"
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
func (r *reader) pairs(v value) (out []pair) {
	pairs, problem := yamlfile.Pairs(v.node, text)
	if problem != "" {
		r.fail(v.place, "%s", problem)
	}
	for _, p := range pairs {
		at := place{line: p.Line, key: yamlfile.Join(v.key, p.Name)}
		if p.Problem != "" {
			r.fail(at, "%s", p.Problem)
			return nil
		}
		out = append(out, pair{p.Name, value{node: p.Value, place: at}})
	}
	return out
}

// readers says how to read each key.
type readers map[string]func(value)

// fields reads a mapping with a fixed set of keys, each a field of the same name.
func (r *reader) fields(v value, known readers) {
	for _, p := range r.pairs(v) {
		read, ok := known[p.name]
		if !ok {
			r.fail(p.place, "%s", yamlfile.Unknown(known))
			return
		}
		p.field = yamlfile.Join(v.field, p.name)
		read(r.remember(p.value))
	}
}

// items reads a list; nothing for an empty value.
func (r *reader) items(v value, read func(value)) {
	items, problem := yamlfile.Items(v.node)
	if problem != "" {
		r.fail(v.place, "%s", problem)
	}
	for i, item := range items {
		read(r.remember(value{
			node:  item,
			place: place{line: yamlfile.LineOf(item), key: fmt.Sprintf("%s[%d]", v.key, i)},
			field: fmt.Sprintf("%s[%d]", v.field, i),
		}))
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
			r.fail(v.place, "%s where a string is wanted (put it in quotes)", yamlfile.KindOf(v.node))
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
		i, problem := yamlfile.Whole(v.node, low, high)
		if problem != "" {
			r.fail(v.place, "%s", problem)
			return
		}
		*to = T(i)
	}
}

func (r *reader) setBool(to *bool) func(value) {
	return func(v value) {
		b, problem := yamlfile.Bool(v.node)
		if problem != "" {
			r.fail(v.place, "%s", problem)
			return
		}
		*to = b
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
