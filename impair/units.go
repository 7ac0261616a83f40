package impair

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Share is a probability, from 0 to 1. Its text is a percentage: "0.1%".
type Share float64

// parseShare reads a percentage. The sign must be there: whether 0.5 is half
// of the frames or one in two hundred is nothing to guess.
func parseShare(s string) (Share, error) {
	number, ok := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%s is no percentage (want one from 0%% to 100%%, such as 0.1%%)", quote(s))
	}
	return Share(v / 100), nil
}

func (p Share) String() string {
	// Twelve digits hide that 0.1 % has no exact binary form.
	return strconv.FormatFloat(float64(p)*100, 'g', 12, 64) + "%"
}

// Rate is in bits a second, counted over whole Ethernet frames without
// preamble and frame check sequence, as tc counts. Its text is tc's, too:
// "10mbit"; "1mbps" is a megabyte a second.
type Rate int64

// The bounds of a rate. Below the lower one a frame takes longer than a user
// waits; above the upper one a nanosecond is too coarse for a frame.
const (
	minRate Rate = 1_000
	maxRate Rate = 1_000_000_000_000
)

// rateUnits are tc's words, longest first among those that end alike.
var rateUnits = []struct {
	word string
	bits float64
}{
	{"tbit", 1e12},
	{"gbit", 1e9},
	{"mbit", 1e6},
	{"kbit", 1e3},
	{"bit", 1},
	{"tbps", 8e12},
	{"gbps", 8e9},
	{"mbps", 8e6},
	{"kbps", 8e3},
	{"bps", 8},
}

func parseRate(s string) (Rate, error) {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, u := range rateUnits {
		number, ok := strings.CutSuffix(lower, u.word)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(v) {
			break
		}
		if v *= u.bits; v < float64(minRate) || v > float64(maxRate) {
			return 0, fmt.Errorf("%s is out of range (want %s to %s)", quote(s), minRate, maxRate)
		}
		return Rate(math.Round(v)), nil
	}
	return 0, fmt.Errorf("%s is no rate (want one such as 10mbit, in kbit, mbit or gbit; kbps and mbps are bytes, as tc has it)", quote(s))
}

func (r Rate) String() string {
	for _, u := range rateUnits[:4] {
		if unit := Rate(u.bits); r >= unit && r%(unit/1000) == 0 {
			return strconv.FormatFloat(float64(r)/u.bits, 'f', -1, 64) + u.word
		}
	}
	return strconv.FormatInt(int64(r), 10) + "bit"
}

// maxDelay bounds how long a frame is kept: Mars is 22 minutes away at most.
const maxDelay = time.Hour

func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is no time (want one with its unit, such as 20ms)", quote(s))
	case d < 0 || d > maxDelay:
		return 0, fmt.Errorf("%s is out of range (want 0s to %s)", quote(s), maxDelay)
	}
	return d, nil
}

func parseWhole(s string, low, high uint64) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is no whole number from %d to %d", quote(s), low, high)
	}
	return n, nil
}

// quote quotes what a user wrote, cut to a length that fits a line.
func quote(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
