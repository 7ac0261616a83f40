package perf

import (
	"errors"
	"io"
	"path/filepath"

	"weft/perf/systems"
)

// Options says what to compare.
type Options struct {
	// Weft is the path of the binary that is compared.
	Weft string
	// Also are further binaries of weft, by the name that their column gets.
	Also map[string]string
	// Systems and Measures are those to take, all when empty.
	Systems, Measures []string
	// Rounds is how many; 0 is what the form has: 5, quick 3.
	Rounds int
	// Quick takes fewer measures and less time for each.
	Quick bool
	// MTU of the underlay, in bytes; 0 is 1500.
	MTU int
	// Congestion is the congestion control of all TCP connections that are
	// measured; "" is cubic, the default of most machines.
	Congestion string
	// JSON prints the run as JSON instead of tables.
	JSON bool
	// Out is a directory for the results, "" for none.
	Out string
	// Version is that of the weft that runs this.
	Version string

	Stdout, Stderr io.Writer
}

// ErrReported is a failure that is on stderr already.
var ErrReported = errors.New("reported")

// CountedPrefix begins the lines in which `weft perf-counted` says how many
// objects it has allocated.
const CountedPrefix = systems.CountedPrefix

// ResultsFile is the name of the JSON in Options.Out.
const ResultsFile = "latest.json"

// DefaultCongestion is the congestion control when Options name none.
const DefaultCongestion = "cubic"

func (o *Options) normalize() (err error) {
	o.Weft, err = filepath.Abs(o.Weft)
	for name, path := range o.Also {
		abs, absErr := filepath.Abs(path)
		o.Also[name], err = abs, errors.Join(err, absErr)
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Congestion == "" {
		o.Congestion = DefaultCongestion
	}
	if o.Rounds == 0 {
		o.Rounds = 5
		if o.Quick {
			o.Rounds = 3
		}
	}
	return err
}
