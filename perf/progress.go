package perf

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
)

// progress says what is being measured and for how long still: on a terminal in
// one line that is written over, otherwise now and then.
type progress struct {
	w        io.Writer
	terminal bool
	rounds   int
	// took is how long each turn of a round took the last time, 0 when it was
	// not taken yet: what differs is the measure and the system, not the round.
	took  []time.Duration
	taken int // turns so far, of all rounds
	began time.Time
	said  time.Time
}

// sayEvery is how often what is no terminal gets a line.
const sayEvery = 30 * time.Second

func newProgress(w io.Writer, turns, rounds int) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && isatty.IsTerminal(f.Fd()), took: make([]time.Duration, turns), rounds: rounds}
}

// begin is the start of a turn, end its end.
func (p *progress) begin(measure, system string) {
	p.began = time.Now()
	round := p.taken/len(p.took) + 1
	line := fmt.Sprintf("round %d of %d: %s of %s (%d of %d%s)", round, p.rounds, measure, system, p.taken+1, len(p.took)*p.rounds, p.left())
	switch {
	case p.terminal:
		// \033[K clears what is left of a longer line before.
		fmt.Fprintf(p.w, "\r%s\033[K", line)
	case p.began.Sub(p.said) >= sayEvery:
		fmt.Fprintln(p.w, line)
		p.said = p.began
	}
}

func (p *progress) end() {
	p.took[p.taken%len(p.took)] = time.Since(p.began)
	p.taken++
}

// skip is a turn that the round does without, as all rounds from then on.
func (p *progress) skip() {
	p.took[p.taken%len(p.took)] = time.Nanosecond
	p.taken++
}

// left is how long the rest takes when it goes on like this; a turn that was
// not taken yet takes as long as the others do on average.
func (p *progress) left() string {
	var known, left time.Duration
	n := 0
	for _, d := range p.took {
		if d > 0 {
			known += d
			n++
		}
	}
	if n == 0 {
		return ""
	}
	for i := p.taken; i < len(p.took)*p.rounds; i++ {
		if d := p.took[i%len(p.took)]; d > 0 {
			left += d
		} else {
			left += known / time.Duration(n)
		}
	}
	return fmt.Sprintf(", %v left", left.Round(time.Second))
}

// done ends the line.
func (p *progress) done() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
