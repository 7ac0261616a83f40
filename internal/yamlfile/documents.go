package yamlfile

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

// MaxBytes bounds a file as the control API bounds a request: it is room for
// some ten thousand ports.
const MaxBytes = 1 << 20

// Problem is what is wrong with a file.
type Problem struct {
	Line int // counted from 1; 0 is the file as a whole
	Text string
}

// Documents parses a file and gives its documents, nil for an empty one. depth
// bounds how deep brackets, and dashes on one line, may nest; instead is what
// to do for want of anchors. Keys that are there twice are for [Pairs] to refuse.
func Documents(data []byte, depth int, instead string) ([]ast.Node, *Problem) {
	if len(data) > MaxBytes {
		return nil, &Problem{Text: fmt.Sprintf("longer than %d bytes", MaxBytes)}
	}
	if !utf8.Valid(data) {
		return nil, &Problem{Text: "not a text file (want YAML in UTF-8)"}
	}
	tokens := lexer.Tokenize(string(data))
	if p := untamed(tokens, depth, instead); p != nil {
		return nil, p
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntax(err)
	}
	docs := make([]ast.Node, len(file.Docs))
	for i, doc := range file.Docs {
		docs[i] = doc.Body
	}
	return docs, nil
}

// untamed finds what the parser must not see: nesting that would exhaust its
// stack, and the parts of YAML that make one value stand for many.
func untamed(tokens token.Tokens, maxDepth int, instead string) *Problem {
	depth, line, inLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, inLine = t.Position.Line, 0
		}
		text := ""
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			text = "anchors, aliases and merge keys are not supported (" + instead + ")"
		case token.MappingKeyType:
			text = `"?" keys are not supported (write "key: value")`
		case token.TagType, token.DirectiveType:
			text = "tags and directives are not supported (write the value alone)"
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			inLine++
		default: // harmless
		}
		if depth > maxDepth || inLine > maxDepth {
			text = "nested too deep"
		}
		if text != "" {
			return &Problem{line, text}
		}
	}
	return nil
}

// syntax makes one line of what the parser says.
func syntax(err error) *Problem {
	p, text := &Problem{}, err.Error()
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		p.Line, text = e.GetToken().Position.Line, e.GetMessage()
	}
	p.Text = "not YAML: " + strings.Join(strings.Fields(text), " ")
	return p
}
