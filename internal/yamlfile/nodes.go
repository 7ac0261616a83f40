package yamlfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Pair is a key with its value.
type Pair struct {
	Name    string
	Line    int // of the key
	Value   ast.Node
	Problem string // what is wrong with the key, "" for nothing
}

// Pairs gives what a mapping holds; nothing for an empty value. text says what
// the name of a key is.
func Pairs(n ast.Node, text func(ast.Node) (string, bool)) (pairs []Pair, problem string) {
	var nodes []*ast.MappingValueNode
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil, ""
	case *ast.MappingNode:
		nodes = n.Values
	case *ast.MappingValueNode:
		nodes = []*ast.MappingValueNode{n}
	default:
		return nil, KindOf(n) + " where keys with values are wanted"
	}
	seen := map[string]bool{}
	for _, n := range nodes {
		name, ok := text(n.Key)
		p := Pair{Name: name, Line: LineOf(n.Key), Value: n.Value}
		switch {
		case !ok:
			p.Problem = KindOf(n.Key) + " cannot be a key"
		case seen[name]:
			p.Problem = "is there twice"
		default:
			seen[name] = true
		}
		pairs = append(pairs, p)
	}
	return pairs, ""
}

// Items gives what a list holds; nothing for an empty value.
func Items(n ast.Node) (items []ast.Node, problem string) {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil, ""
	case *ast.SequenceNode:
		return n.Values, ""
	}
	return nil, KindOf(n) + " where a list is wanted"
}

// Whole gives a whole number from low to high, which is not negative.
func Whole(n ast.Node, low, high int64) (i int64, problem string) {
	number, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, KindOf(n) + " where a whole number is wanted"
	}
	i, ok = number.Value.(int64)
	if u, isU := number.Value.(uint64); isU && u <= uint64(high) {
		i, ok = int64(u), true
	}
	if !ok || i < low || i > high {
		return 0, fmt.Sprintf("%s is out of range (want %d to %d)", number.Token.Value, low, high)
	}
	return i, ""
}

// Bool gives true or false.
func Bool(n ast.Node) (b bool, problem string) {
	if n, ok := n.(*ast.BoolNode); ok {
		return n.Value, ""
	}
	return false, KindOf(n) + " where true or false is wanted"
}

// Unknown is what is wrong with a key that none of known is.
func Unknown[V any](known map[string]V) string {
	return "unknown key (want one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ") + ")"
}

// Join is the name of a key within what key names.
func Join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// LineOf is the line a node begins in, counted from 1.
func LineOf(n ast.Node) int {
	if n == nil {
		return 1
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// KindOf names what a node is, for people.
func KindOf(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
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
