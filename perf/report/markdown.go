package report

import (
	"fmt"
	"io"
	"strings"
)

// Image is a plot beside the page.
type Image struct{ Title, File string }

// Markdown writes the page: the machine, tables, plots, and how to repeat it.
func (r *Run) Markdown(w io.Writer, images []Image) error {
	var b strings.Builder
	fmt.Fprint(&b, "# weft beside the kernel and other switches\n\n"+
		"Made by `make bench`, not by hand. The raw numbers of every round are in [latest.json](latest.json); how each\n"+
		"system is set up is in [perf/systems](../systems), what is measured in [perf](..).\n\n")
	m := r.Machine
	virtual := ""
	if m.Virtual != "" {
		virtual = " (" + m.Virtual + ")"
	}
	fmt.Fprintf(&b, "| | |\n|---|---|\n| machine | %s, %d cores, %d MB%s |\n| kernel | Linux %s, TCP %s |\n| weft | %s |\n| when | %s, for %.0f minutes |\n"+
		"| form | %s: %d interleaved rounds, underlay MTU %d |\n",
		m.CPU, m.Cores, m.MemoryMB, virtual, m.Kernel, m.Congestion, m.Weft, r.Started.UTC().Format("2006-01-02 15:04 MST"), r.Seconds/60, r.Form, r.Rounds, r.MTU)
	fmt.Fprint(&b, "\nSenders, receivers and both hosts share these cores. So figures are for comparing with each other, on this\n"+
		"machine; a host of its own for each side does better. Figures are medians over the rounds, ratios medians of the\n"+
		"ratios within each round.\n\n"+howTCP+"\n\n"+howTrips+"\n\n"+howFrames+"\n")
	if outcomes := r.Outcomes(); len(outcomes) > 0 {
		fmt.Fprint(&b, "\n## What is to be reached\n\n")
		head := []string{"measure", "against", "to reach", "then go for", "got", ""}
		rows := [][]string{head}
		for _, o := range outcomes {
			rows = append(rows, o.row())
		}
		markdownTable(&b, rows, 2)
	}
	fmt.Fprint(&b, "\n## All figures\n")
	for _, block := range r.blocks() {
		fmt.Fprintf(&b, "\n### %s%s\n\n", strings.ToUpper(block[0][0][:1]), block[0][0][1:])
		block[0][0] = "measure"
		markdownTable(&b, block, 2)
	}
	if len(images) > 0 {
		fmt.Fprint(&b, "\n## Plots\n")
		for _, i := range images {
			fmt.Fprintf(&b, "\n![%s](%s)\n", i.Title, i.File)
		}
	}
	fmt.Fprint(&b, "\n## The systems\n\n")
	rows := [][]string{{"system", "what", "where", "version"}}
	for _, s := range r.Systems {
		version := s.Version
		if s.Missing != "" {
			version = "left out: " + s.Missing
		}
		rows = append(rows, []string{s.Name, s.Title, s.Scene, version})
	}
	markdownTable(&b, rows, len(rows[0]))
	if len(r.Problems) > 0 {
		fmt.Fprint(&b, "\n## What failed\n\n")
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "- %s of %s in round %d: `%s`\n", p.Measure, p.System, p.Round, strings.Join(strings.Fields(p.Error), " "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownTable writes rows, the header first; columns from numbers on are
// aligned right.
func markdownTable(b *strings.Builder, rows [][]string, numbers int) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			for n := range row {
				if n < numbers {
					b.WriteString("|---")
				} else {
					b.WriteString("|---:")
				}
			}
			b.WriteString("|\n")
		}
	}
}
