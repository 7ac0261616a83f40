package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table writes the run for a terminal: medians, ratios, targets, and what went
// wrong.
func (r *Run) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, b := range r.blocks() {
		for i, row := range b {
			if i == 0 {
				row[0] = strings.ToUpper(row[0])
			}
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		fmt.Fprintln(t)
	}
	if outcomes := r.Outcomes(); len(outcomes) > 0 {
		fmt.Fprintln(t, strings.Join(outcomeHead, "\t"))
		for _, o := range outcomes {
			fmt.Fprintln(t, strings.Join(o.row(), "\t"))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, line := range r.Notes() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// blocks are the tables of figures, one for each scene, header first.
func (r *Run) blocks() [][][]string {
	var out [][][]string
	var scenes []string
	for _, s := range r.Systems {
		if !slices.Contains(scenes, s.Scene) {
			scenes = append(scenes, s.Scene)
		}
	}
	for _, scene := range scenes {
		if b := r.block(scene); len(b) > 1 {
			out = append(out, b)
		}
	}
	return out
}

// block is the table of one scene: a row for each quantity, a column for each
// system that any of them was measured of.
func (r *Run) block(scene string) [][]string {
	var systems []string
	var rows []Quantity
	for _, q := range r.Measured {
		any := false
		for _, s := range r.Systems {
			if s.Scene != scene || r.Of(q.Key, s.Name).N == 0 || q.Scene != scene {
				continue
			}
			any = true
			if !slices.Contains(systems, s.Name) {
				systems = append(systems, s.Name)
			}
		}
		if any {
			rows = append(rows, q)
		}
	}
	order := func(name string) int {
		return slices.IndexFunc(r.Systems, func(s System) bool { return s.Name == name })
	}
	slices.SortFunc(systems, func(a, b string) int { return order(a) - order(b) })

	weft := r.weft()
	head := slices.Concat([]string{scene, "unit"}, systems)
	toKernel, toOther := r.compares(scene, systems)
	if toKernel {
		head = append(head, "to kernel")
	}
	if toOther {
		head = append(head, "to best other userspace")
	}
	builds := r.otherBuilds(systems)
	for _, b := range builds {
		head = append(head, "to "+b)
	}
	table := [][]string{head}
	for _, q := range rows {
		row := []string{r.TitleOf(q), q.Unit}
		for _, s := range systems {
			row = append(row, r.cell(q, s))
		}
		if toKernel {
			row = append(row, ratio(r.Ratio(q.Key, weft, q.Kernel)))
		}
		if toOther {
			row = append(row, r.toBest(q, weft))
		}
		for _, b := range builds {
			row = append(row, ratio(r.Ratio(q.Key, weft, b)))
		}
		table = append(table, row)
	}
	return table
}

// compares says which of the ratios there are among those systems: to the
// kernel and to another userspace system.
func (r *Run) compares(scene string, systems []string) (toKernel, toOther bool) {
	weft := false
	for _, s := range r.Systems {
		if s.Scene != scene || !slices.Contains(systems, s.Name) {
			continue
		}
		weft = weft || s.Weft
		toKernel = toKernel || !s.Userspace
		toOther = toOther || s.Userspace && !s.Weft
	}
	return weft && toKernel, weft && toOther
}

// cell is the figure of a system, with the number of rounds when it failed in
// some that others have.
func (r *Run) cell(q Quantity, system string) string {
	s := r.Of(q.Key, system)
	if n := r.roundsOf(q); s.N > 0 && s.N < n {
		return fmt.Sprintf("%s (%d of %d rounds)", figure(s), s.N, n)
	}
	return figure(s)
}

// toBest is the ratio of weft to the best other userspace system, and which
// that is.
func (r *Run) toBest(q Quantity, weft string) string {
	best := r.BestOther(q)
	of := ratio(r.Ratio(q.Key, weft, best))
	if of != "" {
		of += " (" + best + ")"
	}
	return of
}

// otherBuilds are the builds of weft beside the first, of those systems.
func (r *Run) otherBuilds(systems []string) []string {
	var names []string
	for _, s := range r.Systems {
		if s.Weft && s.Name != r.weft() && slices.Contains(systems, s.Name) && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

var outcomeHead = []string{"TARGET", "AGAINST", "TO REACH", "THEN", "GOT", ""}

func (o *Outcome) row() []string {
	against, unit, sign := o.Against, "", "≥ "
	if o.Target.Against == Userspace {
		against += " (best other)"
	}
	if o.Against == "" {
		unit = " " + o.Quantity.Unit
	}
	if o.Quantity.Lower {
		sign = "≤ "
	}
	verdict := "not reached"
	if o.Reached {
		verdict = "reached"
	}
	return []string{
		o.Quantity.Title, against, sign + Number(o.Target.Reach) + unit, Number(o.Target.Goal), figure(o.Got) + unit, verdict,
	}
}

// Notes are lines on what is not in the tables.
func (r *Run) Notes() []string {
	lines := []string{fmt.Sprintf("%s, %d cores, Linux %s, TCP %s; weft %s; underlay MTU %d; medians of %d interleaved rounds (%s form), %s",
		r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Congestion, r.Machine.Weft, r.MTU, r.Rounds, r.Form, r.Started.Format("2006-01-02"))}
	lines = append(lines, howTCP, howTrips, howFrames)
	for _, s := range r.Systems {
		if s.Missing != "" {
			lines = append(lines, fmt.Sprintf("left out: %s: %s", s.Name, s.Missing))
		}
	}
	for _, p := range r.Problems {
		lines = append(lines, fmt.Sprintf("failed: %s of %s in round %d: %s", p.Measure, p.System, p.Round, p.Error))
	}
	return lines
}

// What a reader has to know of how it was measured.
const (
	howTCP    = "TCP: plain writes are of 256 KiB by a sender that does nothing else; iperf3 does more for a byte, on the same processors. Each host on one CPU: its router and its client share it."
	howTrips  = "Round trips: both clients on the first CPU; unpinned ones where the scheduler puts them, as programs run by default."
	howFrames = "Frames: of one and of two sending threads for each direction, what suits the system better; the raw numbers have both."
)

func figure(s Stat) string {
	if s.N == 0 {
		return ""
	}
	return Number(s.Median)
}

func ratio(s Stat) string {
	if s.N == 0 {
		return ""
	}
	return Number(s.Median)
}

// Number has three significant digits, which is more than the figures hold.
func Number(v float64) string {
	switch a := max(v, -v); {
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a == 0:
		return "0"
	case a < 0.01:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
