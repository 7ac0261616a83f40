// Package graph draws a lab: for Graphviz, for Mermaid, and as an SVG of its
// own, which needs neither.
//
// # Concurrency
//
// The functions may be called from any goroutine.
package graph

import (
	"fmt"
	"strings"

	"weft/lab/topology"
)

// label is what stands on a link beside its ends' names.
func label(l *topology.Link) string {
	var parts []string
	if l.Down {
		parts = append(parts, "down")
	}
	if l.MTU != 0 {
		parts = append(parts, fmt.Sprintf("mtu %d", l.MTU))
	}
	switch ab, ba := l.ImpairAB.String(), l.ImpairBA.String(); {
	case ab == ba && ab != "":
		parts = append(parts, ab)
	default:
		if ab != "" {
			parts = append(parts, "from "+l.A.Node+": "+ab)
		}
		if ba != "" {
			parts = append(parts, "from "+l.B.Node+": "+ba)
		}
	}
	return strings.Join(parts, ", ")
}

// addresses are a node's, one a line; of a remote where it is.
func addresses(n *topology.Node) (lines []string) {
	if n.Kind == topology.Remote {
		return []string{n.Peer().Address, fmt.Sprintf("VNI %d", n.VNI)}
	}
	for _, i := range n.Interfaces {
		lines = append(lines, i.Address...)
	}
	return lines
}

// shapes of the kinds of nodes, for Graphviz.
var shapes = map[topology.Kind]string{
	topology.Host: "box", topology.Router: "circle", topology.Switch: "diamond",
	topology.VM: "box3d", topology.Container: "component", topology.Remote: "cloud",
}

// Dot writes the lab for Graphviz.
func Dot(t *topology.Topology) string {
	var b strings.Builder
	fmt.Fprintf(&b, "graph %q {\n  node [fontname=sans fontsize=11]; edge [fontname=sans fontsize=8];\n", t.Name)
	for i := range t.Nodes {
		n := &t.Nodes[i]
		shape := shapes[n.Kind]
		if shape == "cloud" {
			shape = "doubleoctagon" // Graphviz has no cloud
		}
		fmt.Fprintf(&b, "  %q [shape=%s label=%q];\n", n.Name, shape, strings.Join(append([]string{n.Name}, addresses(n)...), "\n"))
	}
	for i := range t.Links {
		l := &t.Links[i]
		style := ""
		if l.Down {
			style = " style=dashed"
		}
		fmt.Fprintf(&b, "  %q -- %q [taillabel=%q headlabel=%q label=%q%s];\n", l.A.Node, l.B.Node, l.A.Port, l.B.Port, label(l), style)
	}
	b.WriteString("}\n")
	return b.String()
}

// entities are how Mermaid has what would end a text or begin a tag in it.
var entities = strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "#", "#35;")

// Mermaid writes the lab for Mermaid, which GitHub draws.
func Mermaid(t *topology.Topology) string {
	var b strings.Builder
	b.WriteString("graph LR\n")
	id := map[string]string{}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		id[n.Name] = fmt.Sprintf("n%d", i) // a name may be a word of Mermaid
		open, closing := "[", "]"
		switch n.Kind {
		case topology.Router:
			open, closing = "((", "))"
		case topology.Switch:
			open, closing = "{", "}"
		case topology.Remote:
			open, closing = "([", "])"
		case topology.Host, topology.VM, topology.Container:
		}
		text := strings.Join(append([]string{n.Name}, addresses(n)...), "<br/>")
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", id[n.Name], open, text, closing)
	}
	for i := range t.Links {
		l := &t.Links[i]
		line := "---"
		if l.Down {
			line = "-.-"
		}
		text := entities.Replace(l.A.Port + " - " + l.B.Port)
		if more := label(l); more != "" {
			text += "<br/>" + more
		}
		fmt.Fprintf(&b, "  %s %s|\"%s\"| %s\n", id[l.A.Node], line, text, id[l.B.Node])
	}
	return b.String()
}
