package report

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Run is one comparison: the raw numbers and what they were measured on. Its
// JSON is what is kept.
type Run struct {
	Machine  Machine    `json:"machine"`
	Started  time.Time  `json:"started"`
	Seconds  float64    `json:"seconds"` // that it took
	Form     string     `json:"form"`    // "full", "quick"...
	MTU      int        `json:"mtu"`     // of the underlay, in bytes
	Rounds   int        `json:"rounds"`
	Systems  []System   `json:"systems"`
	Measured []Quantity `json:"quantities"`
	Samples  []Sample   `json:"samples"`
	Problems []Problem  `json:"problems,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int    `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	// Congestion is the congestion control that all TCP connections had;
	// throughput depends on it more than on anything else.
	Congestion string `json:"congestion"`
	Virtual    string `json:"virtual"` // the hypervisor, "" when none shows
	Weft       string `json:"weft"`    // version
	Go         string `json:"go"`      // that built the tester
}

// System is one that was compared, or was to be.
type System struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	Scene     string `json:"scene"` // "two hosts", "one host"
	Version   string `json:"version"`
	Userspace bool   `json:"userspace"`
	// Weft: this is weft, one build of perhaps several.
	Weft bool `json:"weft"`
	// Missing says why it was left out, "" when it was not.
	Missing string `json:"missing,omitempty"`
}

// Quantity is what is measured.
type Quantity struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	// Lower values are better; otherwise higher ones.
	Lower bool `json:"lower_is_better"`
	// Group is the plot it is in.
	Group string `json:"group"`
	// Scene is that of the systems it is measured of.
	Scene string `json:"scene"`
	// Kernel is the system that the kernel's own figure comes from.
	Kernel  string   `json:"kernel"`
	Targets []Target `json:"targets,omitempty"`
}

// Userspace, as what a target is against, is the best userspace system that is
// not weft.
const Userspace = "userspace"

// Target is what weft is to reach.
type Target struct {
	Against string  `json:"against"` // a system, [Userspace], "" for the value itself
	Reach   float64 `json:"reach"`   // at least, or at most where lower is better
	Goal    float64 `json:"goal"`    // to go for then
}

// Sample is one value of a quantity.
type Sample struct {
	Quantity string  `json:"quantity"`
	System   string  `json:"system"`
	Round    int     `json:"round"` // from 1
	Value    float64 `json:"value"`
	// Setting is the one that Value came of, where the tester tried several
	// for each system and the best counts; Tried has the value of each.
	Setting string  `json:"setting,omitempty"`
	Tried   []Tried `json:"tried,omitempty"`
}

// Tried is what a setting of the tester came to.
type Tried struct {
	Setting string  `json:"setting"`
	Value   float64 `json:"value"`
}

// Problem is a measurement that failed.
type Problem struct {
	Measure string `json:"measure"`
	System  string `json:"system"`
	Round   int    `json:"round"`
	Error   string `json:"error"`
}

// Stat sums samples up. N is 0 when there are none.
type Stat struct {
	Median, Min, Max float64
	N                int
}

// Of is the quantity of a system over the rounds.
func (r *Run) Of(quantity, system string) Stat {
	var vs []float64
	for _, s := range r.Samples {
		if s.Quantity == quantity && s.System == system {
			vs = append(vs, s.Value)
		}
	}
	return stat(vs)
}

// Ratio is the quantity of one system to that of another, paired by round.
// Rounds in which the other is 0 do not count.
func (r *Run) Ratio(quantity, system, other string) Stat {
	values := map[string]map[int]float64{system: {}, other: {}}
	for _, s := range r.Samples {
		if of := values[s.System]; of != nil && s.Quantity == quantity {
			of[s.Round] = s.Value
		}
	}
	var ratios []float64
	for round, v := range values[system] {
		if o, ok := values[other][round]; ok && o != 0 {
			ratios = append(ratios, v/o)
		}
	}
	return stat(ratios)
}

// TitleOf is the title of a quantity, and of how many rounds its figures are
// where that is not all of them.
func (r *Run) TitleOf(q Quantity) string {
	switch n := r.roundsOf(q); n {
	case 0, r.Rounds:
		return q.Title
	case 1:
		return q.Title + " (1 round)"
	default:
		return fmt.Sprintf("%s (%d rounds)", q.Title, n)
	}
}

// roundsOf is in how many rounds a quantity was measured of the system that has
// the most.
func (r *Run) roundsOf(q Quantity) (n int) {
	for _, s := range r.Systems {
		if s.Scene == q.Scene {
			n = max(n, r.Of(q.Key, s.Name).N)
		}
	}
	return n
}

func stat(vs []float64) Stat {
	if len(vs) == 0 {
		return Stat{}
	}
	slices.Sort(vs)
	mid := len(vs) / 2
	median := vs[mid]
	if len(vs)%2 == 0 {
		median = (vs[mid-1] + vs[mid]) / 2
	}
	return Stat{median, vs[0], vs[len(vs)-1], len(vs)}
}

// BestOther is the userspace system other than weft with the best median of a
// quantity, "" when none was measured.
func (r *Run) BestOther(q Quantity) string {
	best, at := "", Stat{}
	for _, s := range r.Systems {
		if s.Weft || !s.Userspace {
			continue
		}
		v := r.Of(q.Key, s.Name)
		if v.N > 0 && (at.N == 0 || q.better(v.Median, at.Median)) {
			best, at = s.Name, v
		}
	}
	return best
}

func (q *Quantity) better(a, b float64) bool {
	if q.Lower {
		return a < b
	}
	return a > b
}

// Outcome is how far a target was reached.
type Outcome struct {
	Quantity Quantity
	Target   Target
	Against  string // the system that it came to be, "" for the value itself
	Got      Stat
	Reached  bool
}

// Outcomes are the targets that were measured, for the first weft of the run.
func (r *Run) Outcomes() []Outcome {
	var out []Outcome
	weft := r.weft()
	for _, q := range r.Measured {
		for _, t := range q.Targets {
			o := Outcome{Quantity: q, Target: t, Against: t.Against}
			if t.Against == Userspace {
				o.Against = r.BestOther(q)
			}
			switch {
			case t.Against == "":
				o.Got = r.Of(q.Key, weft)
			case o.Against != "":
				o.Got = r.Ratio(q.Key, weft, o.Against)
			}
			if o.Got.N == 0 {
				continue
			}
			o.Reached = o.Got.Median == t.Reach || q.better(o.Got.Median, t.Reach)
			out = append(out, o)
		}
	}
	return out
}

// weft is the name of the first build of weft, "" when none was measured.
func (r *Run) weft() string {
	for _, s := range r.Systems {
		if s.Weft {
			return s.Name
		}
	}
	return ""
}

// Save writes the run as JSON.
func (r *Run) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Load reads what Save wrote.
func Load(path string) (*Run, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
