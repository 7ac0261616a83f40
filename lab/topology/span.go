package topology

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is the values that a measured one may have, both bounds included unless
// it is Open: "<3%", ">1ms", "20ms..30ms", "0%". The unit is that of what is
// measured: a share from 0 to 1, or seconds.
type Span struct {
	Low, High         float64
	LowOpen, HighOpen bool // the bound itself is not within
	Text              string
}

// Contains reports whether a measured value is within.
func (s *Span) Contains(v float64) bool {
	return (v > s.Low || !s.LowOpen && v == s.Low) && (v < s.High || !s.HighOpen && v == s.High)
}

// parseSpan reads a span with one's own unit. top is the largest value that
// there can be.
func parseSpan(text string, top float64, unit func(string) (float64, error)) (*Span, error) {
	s := &Span{High: top, Text: text}
	text = strings.TrimSpace(text)
	var err error
	bound := func(to *float64, text string) {
		v, uerr := unit(strings.TrimSpace(text))
		if uerr != nil && err == nil {
			err = uerr
		}
		*to = v
	}
	switch {
	case strings.Contains(text, ".."):
		low, high, _ := strings.Cut(text, "..")
		bound(&s.Low, low)
		bound(&s.High, high)
		if err == nil && s.Low > s.High {
			err = fmt.Errorf("%q runs backwards", text)
		}
	case strings.HasPrefix(text, "<="):
		bound(&s.High, text[2:])
	case strings.HasPrefix(text, ">="):
		bound(&s.Low, text[2:])
	case strings.HasPrefix(text, "<"):
		bound(&s.High, text[1:])
		s.HighOpen = true
	case strings.HasPrefix(text, ">"):
		bound(&s.Low, text[1:])
		s.LowOpen = true
	default:
		bound(&s.Low, text)
		s.High = s.Low
	}
	return s, err
}

// parseShare reads a percentage, "0.5%", as a share of 1.
func parseShare(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is not a share (want one such as 0.5%%)", text)
	}
	return v / 100, nil
}

func parseSeconds(text string) (float64, error) {
	d, err := parseDuration(text)
	return d.Seconds(), err
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration (want one such as 20ms)", text)
	}
	return d, nil
}
