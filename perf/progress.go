package perf

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
)

// progress says what is being measured: on a terminal in one line that is
// written over, otherwise once a round.
type progress struct {
	w        io.Writer
	terminal bool
	total    int // steps
	taken    int
	round    int
	started  time.Time
}

func newProgress(w io.Writer) progress {
	f, ok := w.(*os.File)
	return progress{w: w, terminal: ok && isatty.IsTerminal(f.Fd()), started: time.Now()}
}

// step begins a measurement.
func (p *progress) step(round, rounds int, measure, system string) {
	left := ""
	if p.taken > 0 {
		each := time.Since(p.started) / time.Duration(p.taken)
		left = fmt.Sprintf(", %v left", (each * time.Duration(p.total-p.taken)).Round(time.Second))
	}
	switch {
	case p.terminal:
		// \033[K clears what is left of a longer line before.
		fmt.Fprintf(p.w, "\rround %d of %d: %s of %s (%d of %d%s)\033[K", round, rounds, measure, system, p.taken+1, p.total, left)
	case round != p.round:
		fmt.Fprintf(p.w, "round %d of %d%s\n", round, rounds, left)
	}
	p.round = round
	p.taken++
}

// done ends the line.
func (p *progress) done() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
