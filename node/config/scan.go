package config

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"weft/ctl"
)

// maxDepth bounds how deep brackets, and dashes on one line, may nest. The
// deepest key of a weft.yaml is at 6.
const maxDepth = 16

// scan cuts the file into tokens, and refuses what the parser must not see:
// nesting that would exhaust its stack, and the parts of YAML that make one
// value stand for many.
func scan(name string, data []byte) (token.Tokens, error) {
	if len(data) > maxFile {
		return nil, ctl.Invalid("%s: longer than %d bytes", name, maxFile)
	}
	if !utf8.Valid(data) {
		return nil, ctl.Invalid("%s: not a text file (want YAML in UTF-8)", name)
	}
	tokens := lexer.Tokenize(string(data))
	depth, line, inLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, inLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return nil, ctl.Invalid("%s:%d: anchors, aliases and merge keys are not supported (write the value out)", name, line)
		case token.MappingKeyType:
			return nil, ctl.Invalid("%s:%d: \"?\" keys are not supported (write \"key: value\")", name, line)
		case token.TagType, token.DirectiveType:
			return nil, ctl.Invalid("%s:%d: tags and directives are not supported (write the value alone)", name, line)
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			inLine++
		default: // harmless
		}
		if depth > maxDepth || inLine > maxDepth {
			return nil, ctl.Invalid("%s:%d: nested too deep", name, line)
		}
	}
	return tokens, nil
}

// syntaxError makes one line of what the parser says.
func syntaxError(name string, err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return ctl.Invalid("%s:%d: not YAML: %s", name, e.GetToken().Position.Line, oneLine(e.GetMessage()))
	}
	return ctl.Invalid("%s: not YAML: %s", name, oneLine(err.Error()))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

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
