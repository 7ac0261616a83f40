package topology

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxFile bounds a file in bytes: room for some ten thousand links.
	maxFile = 1 << 20
	// maxDepth bounds how deep brackets may nest. The deepest key is at 7.
	maxDepth = 20
	// maxProblems is how many are listed; a file of another program would
	// fill the screen.
	maxProblems = 12
)

// Problems is what is wrong with a file: a line each, with file, line and key.
type Problems struct{ Lines []string }

func (p *Problems) Error() string { return strings.Join(p.Lines, "\n") }

// value is a node of the file, where it stands and what it is called.
type value struct {
	node ast.Node
	line int
	key  string // topology.nodes.h1.kind
}

// reader turns nodes into values and collects what is wrong.
type reader struct {
	file     string
	problems []string
	more     int // problems beyond maxProblems
	// lines has where things stand that are checked later, by the key.
	lines map[string]int
}

func (r *reader) fail(v value, format string, args ...any) {
	text := fmt.Sprintf("%s:%d: ", r.file, v.line)
	if v.key != "" {
		text += v.key + ": "
	}
	if len(r.problems) == maxProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, text+fmt.Sprintf(format, args...))
}

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	lines := r.problems
	if r.more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", r.file, r.more))
	}
	return &Problems{lines}
}

// document parses the bytes. Anchors and aliases are not taken: one of them can
// stand for millions of nodes.
func (r *reader) document(data []byte) (value, bool) {
	top := value{line: 1}
	if len(data) > maxFile {
		r.fail(top, "longer than %d bytes", maxFile)
		return top, false
	}
	if !utf8.Valid(data) {
		r.fail(top, "not a text file (want YAML in UTF-8)")
		return top, false
	}
	tokens := lexer.Tokenize(string(data))
	if !r.tame(tokens) {
		return top, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var e yaml.Error
		if errors.As(err, &e) && e.GetToken() != nil {
			r.fail(value{line: e.GetToken().Position.Line}, "not YAML: %s", strings.Join(strings.Fields(e.GetMessage()), " "))
		} else {
			r.fail(top, "not YAML: %s", strings.Join(strings.Fields(err.Error()), " "))
		}
		return top, false
	}
	for i, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case i > 0:
			r.fail(value{line: lineOf(doc.Body)}, "a second document begins here (one file describes one lab)")
		default:
			top = value{node: doc.Body, line: lineOf(doc.Body)}
		}
	}
	if top.node == nil {
		r.fail(top, "is empty (see \"weft lab up --help\" for an example)")
	}
	return top, len(r.problems) == 0
}

// tame refuses what would exhaust the parser, and what makes one value stand
// for many.
func (r *reader) tame(tokens token.Tokens) bool {
	depth, line, inLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, inLine = t.Position.Line, 0
		}
		problem := ""
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			problem = "anchors, aliases and merge keys are not supported (use topology.defaults or topology.kinds for what nodes have in common)"
		case token.MappingKeyType:
			problem = `"?" keys are not supported (write "key: value")`
		case token.TagType, token.DirectiveType:
			problem = "tags and directives are not supported (write the value alone)"
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			inLine++
		default: // harmless
		}
		if depth > maxDepth || inLine > maxDepth {
			problem = "nested too deep"
		}
		if problem != "" {
			r.fail(value{line: line}, "%s", problem)
			return false
		}
	}
	return true
}

// lineOf is the line a node begins in, counted from 1.
func lineOf(n ast.Node) int {
	if n == nil {
		return 1
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// kindOf names what a node is, for people.
func kindOf(n ast.Node) string {
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
