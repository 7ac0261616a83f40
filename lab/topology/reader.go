package topology

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weft/internal/yamlfile"
)

const (
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
	file     string // "" where what is checked has no lines
	problems []string
	more     int // problems beyond maxProblems
	as       As
	notes    []note
	// lines has where things stand that are checked later, by the key.
	lines map[string]int
}

func (r *reader) fail(v value, format string, args ...any) {
	text := ""
	if r.file != "" {
		text = fmt.Sprintf("%s:%d: ", r.file, v.line)
	}
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
	docs, problem := yamlfile.Documents(data, maxDepth, "use topology.defaults or topology.kinds for what nodes have in common")
	if problem != nil {
		r.fail(value{line: max(problem.Line, 1)}, "%s", problem.Text)
		return top, false
	}
	for i, doc := range docs {
		switch {
		case doc == nil:
		case i > 0:
			r.fail(value{line: yamlfile.LineOf(doc)}, "a second document begins here (one file describes one lab)")
		default:
			top = value{node: doc, line: yamlfile.LineOf(doc)}
		}
	}
	if top.node == nil {
		r.fail(top, "is empty (see \"weft lab up --help\" for an example)")
	}
	return top, len(r.problems) == 0
}
