package impair

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Distribution is how jitter spreads around the delay.
type Distribution string

// The distributions. Each leaves the mean delay where the setting is.
const (
	// Uniform: anything from delay-jitter to delay+jitter. The default.
	Uniform Distribution = "uniform"
	// Normal: jitter is the standard deviation, and the bell is cut off where
	// the delay would be negative and as far above.
	Normal Distribution = "normal"
	// Pareto: jitter is the standard deviation, with the long tail of a Pareto
	// distribution of shape 3: most frames are a little early, some very late.
	Pareto Distribution = "pareto"
)

// DefaultLimit is how many frames wait for the rate when a Spec names none:
// tc's netem has the same.
const DefaultLimit = 1000

// maxLimit is over a second of the smallest frames at 500 Mb/s.
const maxLimit = 1_000_000

// Spec is the conditions of one direction of a link. The zero value is a
// perfect one.
type Spec struct {
	// Delay is added to every frame.
	Delay time.Duration
	// Jitter varies it, by Distribution. Frames that are given less delay
	// overtake those that are given more, as with tc's netem.
	Jitter       time.Duration
	Distribution Distribution
	// Loss is the share of frames that are lost. With Burst, the mean length
	// of a run of lost frames, the losses come in bursts of a
	// Gilbert-Elliott model that loses nothing in its good state and all in
	// its bad one: p = Loss/(Burst*(1-Loss)) from good to bad, r = 1/Burst
	// back. 0 is independent losses.
	Loss  Share
	Burst float64
	// Rate is what the link carries; 0 is no bound.
	Rate Rate
	// Limit is how many frames may wait for the rate; 0 is DefaultLimit.
	Limit int
	// Duplicate is the share of frames that arrive twice.
	Duplicate Share
	// Reorder is the share of frames that skip the delay and so arrive before
	// frames that were sent earlier.
	Reorder Share
	// Corrupt is the share of frames with one bit inverted behind the Ethernet
	// header.
	Corrupt Share
	// Seed makes everything that chance decides repeatable: the n-th frame
	// fares the same for the same seed. 0 is a seed of the moment.
	Seed uint64
}

// key is one field of a Spec in text.
type key struct {
	name string
	set  func(s *Spec, text string) error
	get  func(s *Spec) string // "" is not set
	help string               // for a flag
}

// keys are the fields in the order in which they are shown.
var keys = []key{
	{
		"delay", func(s *Spec, t string) (err error) { s.Delay, err = parseDelay(t); return },
		func(s *Spec) string { return timeText(s.Delay) }, "hold every frame for `time`, such as 20ms",
	},
	{
		"jitter", func(s *Spec, t string) (err error) { s.Jitter, err = parseDelay(t); return },
		func(s *Spec) string { return timeText(s.Jitter) }, "vary the delay by `time`",
	},
	{
		"distribution", setDistribution,
		func(s *Spec) string { return string(s.Distribution) }, "of the jitter: `uniform`, normal or pareto",
	},
	{
		"loss", func(s *Spec, t string) (err error) { s.Loss, err = parseShare(t); return },
		func(s *Spec) string { return shareText(s.Loss) }, "lose this `share` of the frames, such as 1%",
	},
	{
		"burst", setBurst,
		func(s *Spec) string { return positive(s.Burst) }, "lose frames in runs of `N` on average",
	},
	{
		"rate", func(s *Spec, t string) (err error) { s.Rate, err = parseRate(t); return },
		func(s *Spec) string {
			if s.Rate == 0 {
				return ""
			}
			return s.Rate.String()
		}, "carry no more than this `rate`, such as 10mbit",
	},
	{
		"limit", func(s *Spec, t string) error {
			n, err := parseWhole(t, 1, maxLimit)
			s.Limit = int(n)
			return err
		},
		func(s *Spec) string { return positive(float64(s.Limit)) }, "let at most `N` frames wait for the rate (default 1000)",
	},
	{
		"duplicate", func(s *Spec, t string) (err error) { s.Duplicate, err = parseShare(t); return },
		func(s *Spec) string { return shareText(s.Duplicate) }, "send this `share` of the frames twice",
	},
	{
		"reorder", func(s *Spec, t string) (err error) { s.Reorder, err = parseShare(t); return },
		func(s *Spec) string { return shareText(s.Reorder) }, "let this `share` of the frames skip the delay",
	},
	{
		"corrupt", func(s *Spec, t string) (err error) { s.Corrupt, err = parseShare(t); return },
		func(s *Spec) string { return shareText(s.Corrupt) }, "invert a bit in this `share` of the frames",
	},
	{
		"seed", func(s *Spec, t string) (err error) { s.Seed, err = parseWhole(t, 0, math.MaxUint64); return },
		func(s *Spec) string {
			if s.Seed == 0 {
				return ""
			}
			return strconv.FormatUint(s.Seed, 10)
		}, "make chance repeatable: a `number`",
	},
}

func setDistribution(s *Spec, text string) error {
	switch d := Distribution(text); d {
	case Uniform, Normal, Pareto:
		s.Distribution = d
		return nil
	}
	return fmt.Errorf("%s is no distribution (want %s, %s or %s)", quote(text), Uniform, Normal, Pareto)
}

func setBurst(s *Spec, text string) error {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(v >= 1 && v <= maxLimit) {
		return fmt.Errorf("%s is no length of a burst (want a number of frames from 1 to %d)", quote(text), maxLimit)
	}
	s.Burst = v
	return nil
}

func timeText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func shareText(p Share) string {
	if p == 0 {
		return ""
	}
	return p.String()
}

func positive(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Keys are the names of the fields in text, and what each is for in the words
// of a flag's help.
func Keys() (names, help []string) {
	for _, k := range keys {
		names = append(names, k.name)
		help = append(help, k.help)
	}
	return names, help
}

// Set gives the field of that name the value that text says. Errors name the
// key.
func (s *Spec) Set(name, text string) error {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		names, _ := Keys()
		return fmt.Errorf("unknown key %s (want one of %s)", quote(name), strings.Join(names, ", "))
	}
	next := *s
	if err := keys[i].set(&next, text); err != nil {
		return &KeyError{Key: name, Problem: err.Error()}
	}
	*s = next
	return nil
}

// KeyError is a field that is wrong.
type KeyError struct{ Key, Problem string }

func (e *KeyError) Error() string { return e.Key + ": " + e.Problem }

func bad(key, format string, args ...any) error {
	return &KeyError{Key: key, Problem: fmt.Sprintf(format, args...)}
}

// IsZero reports whether s is a perfect link. A seed alone changes nothing.
func (s Spec) IsZero() bool { return s == Spec{} }

// Validate checks what the fields must have in common, and ranges. Errors are
// [*KeyError].
func (s Spec) Validate() error {
	// Through the text and back, so that a range stands in one place.
	for _, k := range keys {
		if text := k.get(&s); text != "" {
			var t Spec
			if err := k.set(&t, text); err != nil {
				return &KeyError{Key: k.name, Problem: err.Error()}
			}
		}
	}
	switch {
	case s.Jitter > s.Delay:
		return bad("jitter", "%s is more than the delay of %s (no frame arrives before it was sent)", s.Jitter, s.Delay)
	case s.Distribution != "" && s.Jitter == 0:
		return bad("distribution", "there is no jitter to distribute (give jitter too)")
	case s.Burst != 0 && s.Loss == 0:
		return bad("burst", "there is no loss to come in bursts (give loss too)")
	case s.Loss < 1 && s.Burst != 0 && float64(s.Loss) > s.Burst*(1-float64(s.Loss)):
		return bad("burst", "%s is too short for a loss of %s: the gaps between bursts would be shorter than a frame", positive(s.Burst), s.Loss)
	case s.Reorder != 0 && s.Delay == 0:
		return bad("reorder", "a frame overtakes others by skipping the delay, and there is none (give delay too)")
	case s.Limit != 0 && s.Rate == 0:
		return bad("limit", "frames wait for a rate, and there is none (give rate too)")
	}
	return nil
}

// String lists what is set: "delay 20ms, loss 1%"; "" for a perfect link.
func (s Spec) String() string {
	var parts []string
	for name, text := range s.All() {
		parts = append(parts, name+" "+text)
	}
	return strings.Join(parts, ", ")
}

// All gives what is set, by the keys of files.
func (s Spec) All() iter.Seq2[string, string] {
	return func(yield func(name, text string) bool) {
		for _, k := range keys {
			if text := k.get(&s); text != "" && !yield(k.name, text) {
				return
			}
		}
	}
}

// MarshalJSON makes an object of the fields that are set. Numbers without a
// unit are numbers.
func (s Spec) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for name, text := range s.All() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, name)
		b = append(b, ':')
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			b = append(b, text...)
		} else {
			b = strconv.AppendQuote(b, text)
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes. Numbers may be strings.
func (s *Spec) UnmarshalJSON(data []byte) error {
	*s = Spec{}
	return eachField(data, func(name string, value json.RawMessage) error {
		text, err := scalar(value)
		if err != nil {
			return &KeyError{Key: name, Problem: err.Error()}
		}
		return s.Set(name, text)
	})
}

// eachField calls f for every field of a JSON object in order, and stops at
// an error.
func eachField(data []byte, f func(name string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want an object such as {\"delay\": \"20ms\"}")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string) // the key of an object is a string
		if seen[name] {
			return &KeyError{Key: name, Problem: "is there twice"}
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// scalar is a string or a number as text.
func scalar(value json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(value, &text) == nil && value[0] == '"' {
		return text, nil
	}
	var n json.Number
	if err := json.Unmarshal(value, &n); err != nil || n == "" {
		return "", fmt.Errorf("want a string or a number")
	}
	return n.String(), nil
}
