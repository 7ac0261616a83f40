package graph

import (
	"math"

	"weft/lab/topology"
)

// point is a place in a drawing, in pixels.
type point struct{ x, y float64 }

const (
	// rounds of the simulation; after a few hundred nothing moves any more.
	rounds = 400
	// spring is the length that a link would like to have, in pixels.
	spring = 150.0
	// stretch makes a link that has conditions to show longer, by its cube
	// root: room for their text between the names of the ports.
	stretch = 5.0
	// golden is the golden angle in radians, which spreads points evenly
	// around a spiral: nodes begin apart, and at the same places each time.
	golden = 2.399963229728653
)

// place finds places for the nodes: they push each other away and links pull
// theirs together (the method of Fruchterman and Reingold).
func place(t *topology.Topology) []point {
	n := len(t.Nodes)
	at := make([]point, n)
	index := map[string]int{}
	for i := range t.Nodes {
		index[t.Nodes[i].Name] = i
		r := spring * math.Sqrt(float64(i)+0.5) * 0.7
		at[i] = point{r * math.Cos(golden*float64(i)), r * math.Sin(golden*float64(i))}
	}
	for round := range rounds {
		move := make([]point, n)
		for i := range at {
			for j := range i {
				dx, dy, d := between(at[i], at[j])
				push := spring * spring / d
				pull(&move[i], &move[j], dx/d*push, dy/d*push)
			}
		}
		for _, l := range t.Links {
			i, j := index[l.A.Node], index[l.B.Node]
			if i == j {
				continue
			}
			dx, dy, d := between(at[i], at[j])
			draw := d * d / spring
			if label(&l) != "" {
				draw /= stretch
			}
			pull(&move[i], &move[j], -dx/d*draw, -dy/d*draw)
		}
		// How far a node may move in a round shrinks to nothing.
		most := spring * (1 - float64(round)/rounds)
		for i := range at {
			d := math.Hypot(move[i].x, move[i].y)
			if d == 0 {
				continue
			}
			step := math.Min(d, most)
			at[i].x += move[i].x / d * step
			at[i].y += move[i].y / d * step
		}
	}
	return at
}

// between gives the way from b to a and its length, never zero.
func between(a, b point) (dx, dy, d float64) {
	dx, dy = a.x-b.x, a.y-b.y
	if dx == 0 && dy == 0 {
		dx = 0.1
	}
	return dx, dy, math.Hypot(dx, dy)
}

// pull moves two nodes in opposite directions.
func pull(a, b *point, x, y float64) {
	a.x, a.y = a.x+x, a.y+y
	b.x, b.y = b.x-x, b.y-y
}
