package graph

import (
	"fmt"
	"html"
	"math"
	"strings"

	"weft/lab/topology"
)

// Sizes in pixels.
const (
	margin   = 90
	boxWide  = 96
	boxHigh  = 30
	lineHigh = 13
)

// colours of the kinds of nodes: fill and border, readable on white and in grey.
var colours = map[topology.Kind][2]string{
	topology.Host:      {"#eef3fb", "#3b6ea5"},
	topology.Router:    {"#fdf0e3", "#b5651d"},
	topology.Switch:    {"#eaf6ea", "#3d7a3d"},
	topology.VM:        {"#f3ecf8", "#6b4a8a"},
	topology.Container: {"#e8f5f7", "#2b7a87"},
	topology.Remote:    {"#f2f2f2", "#555555"},
}

// SVG draws the lab.
func SVG(t *topology.Topology) string {
	at := place(t)
	low, high := bounds(at)
	for i := range at {
		at[i].x += margin - low.x
		at[i].y += margin - low.y
	}
	width, height := high.x-low.x+2*margin, high.y-low.y+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"11\">\n",
		width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", html.EscapeString(t.Name))
	index := map[string]int{}
	for i := range t.Nodes {
		index[t.Nodes[i].Name] = i
	}
	parallel := map[[2]int]int{}
	for i := range t.Links {
		l := &t.Links[i]
		a, z := index[l.A.Node], index[l.B.Node]
		key := [2]int{min(a, z), max(a, z)}
		drawLink(&b, l, at[a], at[z], parallel[key])
		parallel[key]++
	}
	for i := range t.Nodes {
		drawNode(&b, &t.Nodes[i], at[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func bounds(at []point) (low, high point) {
	if len(at) == 0 {
		return low, high
	}
	low, high = at[0], at[0]
	for _, p := range at {
		low = point{math.Min(low.x, p.x), math.Min(low.y, p.y)}
		high = point{math.Max(high.x, p.x), math.Max(high.y, p.y)}
	}
	return low, high
}

// drawLink draws a line, bent where there are others between the same nodes,
// with the ports' names near its ends.
func drawLink(b *strings.Builder, l *topology.Link, from, to point, nth int) {
	dx, dy, d := between(to, from)
	bend := float64((nth+1)/2*40) * float64(1-2*(nth%2))
	mid := point{(from.x+to.x)/2 - dy/d*bend, (from.y+to.y)/2 + dx/d*bend}
	dash := ""
	if l.Down {
		dash = " stroke-dasharray=\"5 4\""
	}
	fmt.Fprintf(b, "<path d=\"M%.1f %.1f Q%.1f %.1f %.1f %.1f\" fill=\"none\" stroke=\"#666\"%s/>\n", from.x, from.y, mid.x, mid.y, to.x, to.y, dash)
	along := func(share float64) point { // on the curve
		s := 1 - share
		return point{
			s*s*from.x + 2*s*share*mid.x + share*share*to.x,
			s*s*from.y + 2*s*share*mid.y + share*share*to.y,
		}
	}
	// Out of the boxes at the ends.
	off := math.Min(0.45, 62/d)
	if l.A.Port != ownName(l.B) {
		write(b, along(off), l.A.Port, "#555", 9)
	}
	if l.B.Port != ownName(l.A) {
		write(b, along(1-off), l.B.Port, "#555", 9)
	}
	if text := label(l); text != "" {
		lines := strings.Split(text, ", ")
		p := along(0.5)
		p.y -= float64(len(lines)-1) * lineHigh / 2
		for _, line := range lines {
			write(b, p, line, "#a33", 9)
			p.y += lineHigh
		}
	}
}

// ownName is what a switch calls the port to that end when nobody names it,
// which says nothing new and of a hundred hosts too much.
func ownName(e topology.End) string { return e.Node + "-" + e.Port }

// write writes a text with a white border, so that it can be read on a line.
func write(b *strings.Builder, p point, text, colour string, size int) {
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"%d\" fill=\"%s\" stroke=\"white\" stroke-width=\"3\" paint-order=\"stroke\">%s</text>\n",
		p.x, p.y+3, size, colour, html.EscapeString(text))
}

func drawNode(b *strings.Builder, n *topology.Node, p point) {
	lines := addresses(n)
	high := float64(boxHigh + lineHigh*len(lines))
	round := 4
	if n.Kind == topology.Router {
		round = 15
	}
	c := colours[n.Kind]
	fmt.Fprintf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.0f\" rx=\"%d\" fill=\"%s\" stroke=\"%s\"/>\n",
		p.x-boxWide/2, p.y-high/2, boxWide, high, round, c[0], c[1])
	y := p.y - high/2 + 19
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-weight=\"bold\">%s</text>\n", p.x, y, html.EscapeString(n.Name))
	for _, line := range lines {
		y += lineHigh
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"9\" fill=\"#444\">%s</text>\n", p.x, y, html.EscapeString(line))
	}
}
