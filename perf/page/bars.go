package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"weft/perf/report"
)

// bars draws a row for each quantity, in it a bar or a point for each system
// with the figure at its end, and a line from the least to the most measured.
type bars struct {
	chart  *chart
	titles []string        // by row
	stats  [][]report.Stat // by row and system
	colors []color.Color   // by system
}

// Weft stands out, the kernel is dark, the others have muted colors that stay
// apart without color vision too.
var (
	weftColors  = []color.Color{color.RGBA{R: 0xd1, G: 0x3b, B: 0x2f, A: 0xff}, color.RGBA{R: 0xe8, G: 0x8a, B: 0x5a, A: 0xff}, color.RGBA{R: 0xf2, G: 0xb8, B: 0x80, A: 0xff}}
	kernelColor = color.RGBA{R: 0x33, G: 0x3d, B: 0x4a, A: 0xff}
	otherColors = []color.Color{color.RGBA{R: 0x4c, G: 0x8c, B: 0xb5, A: 0xff}, color.RGBA{R: 0x9a, G: 0xb8, B: 0x6b, A: 0xff}, color.RGBA{R: 0xb9, G: 0xa3, B: 0xd3, A: 0xff}, color.RGBA{R: 0xc9, G: 0xa4, B: 0x4c, A: 0xff}, color.RGBA{R: 0x7f, G: 0x8a, B: 0x94, A: 0xff}}
)

func newBars(c *chart, r *report.Run) *bars {
	b := &bars{chart: c}
	wefts, others := 0, 0
	for _, s := range c.systems {
		switch {
		case s.Weft:
			b.colors = append(b.colors, weftColors[wefts%len(weftColors)])
			wefts++
		case !s.Userspace:
			b.colors = append(b.colors, kernelColor)
		default:
			b.colors = append(b.colors, otherColors[others%len(otherColors)])
			others++
		}
	}
	for _, q := range c.rows {
		var row []report.Stat
		for _, s := range c.systems {
			row = append(row, r.Of(q.Key, s.Name))
		}
		b.titles = append(b.titles, r.TitleOf(q))
		b.stats = append(b.stats, row)
	}
	return b
}

// span is what the axis shows: from 0, or on a logarithmic scale from below the
// least, with room for figures at the right.
func (b *bars) span() (from, to float64) {
	const room = 1.12
	least := math.Inf(1)
	for _, row := range b.stats {
		for _, s := range row {
			if s.N > 0 {
				to = max(to, s.Max)
				if s.Min > 0 {
					least = min(least, s.Min)
				}
			}
		}
	}
	if to == 0 {
		return 0, 1
	}
	if b.chart.logarithmic {
		return least / 1.5, to * math.Pow(to/least, room-1) * 1.5
	}
	return 0, to * room
}

// Plot implements plot.Plotter.
func (b *bars) Plot(canvas draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&canvas)
	grid := draw.LineStyle{Color: color.Gray{0xe2}, Width: vg.Points(0.6)}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		canvas.StrokeLine2(grid, x(t.Value), y(p.Y.Min), x(t.Value), y(p.Y.Max))
	}
	label, head := p.X.Tick.Label, p.X.Tick.Label
	label.XAlign, label.YAlign = draw.XLeft, draw.YCenter
	head.XAlign, head.YAlign, head.Font = draw.XLeft, draw.YCenter, sans(11, true)
	for i, row := range b.stats {
		top := y(float64(len(b.stats) - i))
		canvas.FillText(head, vg.Point{X: canvas.Min.X, Y: top - vg.Points(rowHead/2)}, b.titles[i])
		for j, s := range row {
			if s.N > 0 {
				middle := top - vg.Points(rowHead+(float64(j)+0.5)*barH)
				b.one(canvas, x, p.X.Min, middle, s, b.colors[j], label)
			}
		}
	}
}

// one draws a system's value.
func (b *bars) one(canvas draw.Canvas, x func(float64) vg.Length, from float64, y vg.Length, s report.Stat, col color.Color, label draw.TextStyle) {
	at := func(v float64) vg.Length { return x(max(v, from)) }
	const half = (barH - 3) / 2. // points
	if b.chart.logarithmic {
		canvas.DrawGlyph(draw.GlyphStyle{Color: col, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}, vg.Point{X: at(s.Median), Y: y})
	} else {
		canvas.FillPolygon(col, []vg.Point{
			{X: x(from), Y: y - half},
			{X: at(s.Median), Y: y - half},
			{X: at(s.Median), Y: y + half},
			{X: x(from), Y: y + half},
		})
	}
	whisker := draw.LineStyle{Color: color.Gray{0x20}, Width: vg.Points(0.9)}
	canvas.StrokeLine2(whisker, at(s.Min), y, at(s.Max), y)
	for _, v := range []float64{s.Min, s.Max} {
		canvas.StrokeLine2(whisker, at(v), y-vg.Points(2.5), at(v), y+vg.Points(2.5))
	}
	canvas.FillText(label, vg.Point{X: at(max(s.Max, s.Median)) + vg.Points(5), Y: y}, report.Number(s.Median))
}
