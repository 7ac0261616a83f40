package graph

import (
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"weft/impair"
	"weft/lab/topology"
)

// drawn has what is awkward to draw: names with quotes and brackets, two links
// between the same nodes, one from a node to itself, addresses, conditions.
var drawn = &topology.Topology{
	Name: "x",
	Nodes: []topology.Node{
		{Name: "graph", Kind: topology.Host, Interfaces: []topology.Interface{{Name: "e", Address: []string{"10.0.0.1/24", "fd00::1/64"}}}},
		{Name: "end", Kind: topology.Router},
		{Name: "s", Kind: topology.Switch},
	},
	Links: []topology.Link{
		{A: topology.End{Node: "graph", Port: `a"<&]`}, B: topology.End{Node: "end", Port: "p1"}, Down: true},
		{A: topology.End{Node: "graph", Port: "b"}, B: topology.End{Node: "end", Port: "p2"}, MTU: 9000, ImpairAB: impair.Spec{Loss: 0.01}},
		{A: topology.End{Node: "s", Port: "l1"}, B: topology.End{Node: "s", Port: "l2"}},
	},
}

// An SVG is XML that has every name and address in it.
func TestSVG(t *testing.T) {
	text := SVG(drawn)
	d := xml.NewDecoder(strings.NewReader(text))
	var said strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if c, ok := tok.(xml.CharData); ok {
			said.Write(c)
			said.WriteByte(' ')
		}
	}
	for _, want := range []string{"graph", "end", `a"<&]`, "10.0.0.1/24", "fd00::1/64", "mtu 9000", "from graph: loss 1%", "down"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in %s", want, said.String())
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("places that are none:\n%s", text)
	}
	if text != SVG(drawn) {
		t.Error("the same lab is drawn in two ways")
	}
	if empty := SVG(&topology.Topology{Name: "e"}); strings.Contains(empty, "NaN") {
		t.Errorf("nothing is drawn as %s", empty)
	}
}

// Nodes do not stand on each other.
func TestPlace(t *testing.T) {
	l := &topology.Topology{}
	for i := range 40 {
		l.Nodes = append(l.Nodes, topology.Node{Name: string(rune('a' + i))})
		if i > 0 {
			l.Links = append(l.Links, topology.Link{A: topology.End{Node: "a"}, B: topology.End{Node: l.Nodes[i].Name}})
		}
	}
	at := place(l)
	for i := range at {
		for j := range i {
			if _, _, d := between(at[i], at[j]); d < boxHigh {
				t.Errorf("nodes %d and %d are %.0f pixels apart", i, j, d)
			}
		}
	}
}

// Graphviz takes what is written for it.
func TestDot(t *testing.T) {
	text := Dot(drawn)
	for _, want := range []string{`taillabel="a\"<&]"`, "style=dashed", `label="graph\n10.0.0.1/24\nfd00::1/64"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	dot, err := exec.LookPath("dot")
	if err != nil {
		return // what it would say is a matter of the quotes, looked at above
	}
	cmd := exec.Command(dot, "-Tcanon")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// In Mermaid a quote ends a text, and a name may be one of its words.
func TestMermaid(t *testing.T) {
	text := Mermaid(drawn)
	for line := range strings.Lines(text) {
		if strings.Count(line, `"`)%2 != 0 {
			t.Errorf("a quote too many: %s", line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "end") {
			t.Errorf("a word of Mermaid: %s", line)
		}
	}
	if !strings.Contains(text, "a#quot;#lt;&] - p1") || !strings.Contains(text, "-.-") || !strings.Contains(text, "loss 1%") {
		t.Errorf("%s", text)
	}
}
