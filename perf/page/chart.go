package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"weft/perf/report"
)

// chart is a picture of quantities that share a scale.
type chart struct {
	title, file string
	logarithmic bool
	rows        []report.Quantity
	systems     []report.System // that any row was measured of
}

// kinds are the groups of quantities that are drawn, in order. Where values
// lie decades apart they are points on a logarithmic scale, not bars: the
// length of a bar would say nothing there.
var kinds = []struct {
	group, title string
	logarithmic  bool
}{
	{"tcp", "TCP between two hosts, plain writes", false},
	{"iperf3", "TCP between two hosts, as iperf3 measures", false},
	{"apart", "TCP between two hosts, each host on one CPU", false},
	{"jumbo", "TCP between two hosts, underlay MTU 9000", false},
	{"frames", "Frames between two hosts", false},
	{"ports", "Frames between two hosts, several ports a side", false},
	{"rtt", "Round trip between two hosts", true},
	{"loaded", "Round trip between two hosts, under load", true},
	{"tcp_cpu", "Processor time for TCP, plain writes, whole machine", true},
	{"iperf3_cpu", "Processor time for TCP, as iperf3 measures, whole machine", true},
	{"apart_cpu", "Processor time for TCP, each host on one CPU, whole machine", true},
	{"jumbo_cpu", "Processor time for TCP, underlay MTU 9000, whole machine", true},
	{"frame_cpu", "Processor time for frames, whole machine", true},
	{"idle", "Processor time of the daemons when idle", false},
	{"trickle", "Processor time of the daemons at 1000 frames/s", false},
	{"memory", "Resident memory", false},
	{"allocs", "Allocations", false},
	{"fdb", "Size of the forwarding table", false},
	{"fdb_ratio", "Rate with a full forwarding table against a small one", false},
	{"flood", "Flooding", false},
	{"local", "TCP on one host, plain writes", false},
	{"local_iperf3", "TCP on one host, as iperf3 measures", false},
	{"local_cpu", "Processor time for TCP on one host, plain writes", true},
	{"local_iperf3_cpu", "Processor time for TCP on one host, as iperf3 measures", true},
	{"local_rtt", "Round trip on one host", true},
	{"local_frames", "Frames on one host", false},
	{"capacity", "Addresses that a switch keeps", true},
	{"learning", "Addresses that a switch learns", true},
}

// charts are what there is to draw of a run: one for each unit of a group.
func charts(r *report.Run) []*chart {
	var all []*chart
	for _, k := range kinds {
		byUnit := map[string]*chart{}
		for _, q := range r.Measured {
			if q.Group != k.group {
				continue
			}
			c := byUnit[q.Unit]
			for _, s := range r.Systems {
				if s.Scene != q.Scene || r.Of(q.Key, s.Name).N == 0 {
					continue
				}
				if c == nil {
					c = &chart{title: k.title, file: k.group + ".svg", logarithmic: k.logarithmic}
					if len(byUnit) > 0 {
						c.file = k.group + "-" + slug(q.Unit) + ".svg"
					}
					byUnit[q.Unit] = c
					all = append(all, c)
				}
				if !slices.ContainsFunc(c.systems, func(o report.System) bool { return o.Name == s.Name }) {
					c.systems = append(c.systems, s)
				}
			}
			if c != nil {
				c.rows = append(c.rows, q)
			}
		}
	}
	for _, c := range all {
		// In the order of the columns of the tables.
		order := func(s report.System) int {
			return slices.IndexFunc(r.Systems, func(o report.System) bool { return o == s })
		}
		slices.SortFunc(c.systems, func(a, b report.System) int { return order(a) - order(b) })
	}
	return all
}

// slug is a unit as a part of a file's name.
func slug(unit string) string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(unit))
}

// Sizes of a picture, in points.
const (
	width   = 720
	barH    = 14 // of one bar with the gap below it
	rowHead = 18 // the title above a row's bars
	rowGap  = 10 // between two rows
	header  = 46 // title and legend
	footer  = 44 // axis and its label
	margin  = 10
)

// rowHeight is that of a row with what is above and below it.
func (c *chart) rowHeight() int { return rowHead + len(c.systems)*barH + rowGap }

// draw gives the SVG.
func (c *chart) draw(r *report.Run) ([]byte, error) {
	p := plot.New()
	q := c.rows[0]
	better := "higher is better"
	if q.Lower {
		better = "lower is better"
	}
	p.X.Label.Text = q.Unit + ", " + better
	p.X.Tick.Marker = plain{}
	if c.logarithmic {
		p.X.Label.Text += ", logarithmic scale"
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	}
	p.X.Label.Text += "; median of the rounds, line from least to most"
	p.X.Label.TextStyle.Font = sans(10, false)
	p.X.Label.Padding = vg.Points(4)
	p.X.Tick.Label.Font = sans(10, false)
	p.HideY()
	p.Y.Min, p.Y.Max = 0, float64(len(c.rows))
	b := newBars(c, r)
	p.X.Min, p.X.Max = b.span()
	p.Add(b)

	height := header + len(c.rows)*c.rowHeight() + footer
	svg := vgsvg.New(vg.Points(width), vg.Points(float64(height)))
	canvas := draw.New(svg)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Path())
	c.head(canvas, p.Title.TextStyle, b.colors)
	p.BackgroundColor = color.White
	p.Draw(draw.Crop(canvas, vg.Points(margin), -vg.Points(margin), vg.Points(margin), -vg.Points(header)))
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil {
		return nil, err
	}
	// Who looks at it may not have that font.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), nil
}

// head draws the title and, in a line below it, whose color is whose.
func (c *chart) head(canvas draw.Canvas, style draw.TextStyle, colors []color.Color) {
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	style.Font = sans(15, true)
	left, top := canvas.Min.X+vg.Points(margin), canvas.Max.Y
	canvas.FillText(style, vg.Point{X: left, Y: top - vg.Points(16)}, c.title)
	style.Font = sans(11, false)
	y := top - vg.Points(36)
	const swatch = 9 // points
	for i, s := range c.systems {
		canvas.FillPolygon(colors[i], []vg.Point{
			{X: left, Y: y - swatch/2.}, {X: left + swatch, Y: y - swatch/2.}, {X: left + swatch, Y: y + swatch/2.}, {X: left, Y: y + swatch/2.},
		})
		canvas.FillText(style, vg.Point{X: left + swatch + 5, Y: y}, s.Name)
		// A font that stands in for this one may be wider by a fifth.
		left += swatch + 5 + 1.2*style.Width(s.Name) + 14
	}
}

// sans is the font of everything.
func sans(size float64, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
	if bold {
		f.Weight = 2 // of the weights of golang.org/x/image/font, that of bold
	}
	return f
}

// decades marks 1, 2 and 5 of each decade.
type decades struct{}

func (decades) Ticks(from, to float64) (ticks []plot.Tick) {
	for d := math.Pow(10, math.Floor(math.Log10(from))); d <= to; d *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := m * d; v >= from && v <= to {
				ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v)})
			}
		}
	}
	return ticks
}

// plain marks what the library would, without marks between.
type plain struct{}

func (plain) Ticks(from, to float64) (ticks []plot.Tick) {
	for _, t := range (plot.DefaultTicks{}).Ticks(from, to) {
		if !t.IsMinor() {
			ticks = append(ticks, plot.Tick{Value: t.Value, Label: tickLabel(t.Value)})
		}
	}
	return ticks
}

func tickLabel(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
