package load

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Trial is one step of a search for a rate.
type Trial struct {
	// Rate is what was asked for, in frames a second and direction.
	Rate float64
	BlastResult
	// Passed says that the loss was within the limit, at a rate that the
	// generator kept.
	Passed bool
	// Behind says that the generator did not keep the rate. When the trials
	// just above the result failed for this alone, the limit is how fast the
	// sending thread gets rid of frames: the generator's own, or that of a
	// device that does its work on that thread and so is never overrun.
	Behind bool
}

// PDR searches the highest rate with a loss of at most maxLoss, a share from 0
// to 1: the throughput of RFC 2544 section 26.1 with 0 (NDR), the partial drop
// rate with 0.005, since a machine that is shared drops a frame now and then
// for reasons of its own (RFC 8172 section 3.4). It is in frames a second and
// direction, over all pairs. b's own rate and duration do not count; a trial
// takes the time trial, and up to five times that where few frames pass in it.
//
// The search halves the range from lo to hi, by ratio, until the highest rate
// that passed and the lowest that failed are 2 % apart, and then repeats the
// trials at these two. What two of three trials say counts: one lucky or
// unlucky trial decides nothing, and the search goes on where a verdict
// changed, for at most 30 trials. The answer is hi when that passes, and 0 when lo fails.
//
// A device that works on the thread that sends, as the kernel's do, slows the
// generator down instead of losing frames. It forwards what it lets be offered:
// when two trials that fell behind lost no more than maxLoss at higher rates
// than the search has found, the lower of those two rates is the answer.
//
// progress, if not nil, is called after each trial.
func PDR(ctx context.Context, b Blast, maxLoss, lo, hi float64, trial time.Duration, progress func(Trial)) (rate float64, trials []Trial, err error) {
	return find(func(rate float64) (BlastResult, error) {
		b.Rate, b.Duration = rate, trialTime(rate, trial)
		r, err := b.Run(ctx)
		b.known = err == nil // no device forgets within a search
		return r, err
	}, maxLoss, lo, hi, progress)
}

// trialTime is how long a trial at a rate lasts that is to take at least
// shortest. What the queues on the way hold at its end has not been lost yet:
// the 1000 frames of a TAP's are 5 % of so many.
func trialTime(rate float64, shortest time.Duration) time.Duration {
	const frames, atMost = 20_000, 5
	return min(max(time.Duration(frames/rate*float64(time.Second)), shortest), atMost*shortest)
}

const (
	// resolution is the ratio of a rate that failed to one that passed at
	// which the search ends.
	resolution = 1.02
	// enough trials that agree decide on a rate.
	enough = 2
	// maxTrials bounds a search on a machine so uneven that verdicts keep
	// changing; on a quiet one it takes 10 to 16.
	maxTrials = 30
)

// votes is how the trials at one rate ended.
type votes struct {
	rate           float64
	passed, failed int
}

func (v votes) decided() bool { return v.passed >= enough || v.failed >= enough }

// search is the rates that were tried, in order, and the two that bound them,
// tried or not.
type search []votes

// next gives the index of the rate to try, which may be a new one, -1 when all
// is decided, and the answer as far as it is known.
func (s *search) next() (index int, answer float64) {
	low, high := 0, len(*s)-1
	for i, v := range *s {
		if v.passed == v.failed && v.passed > 0 {
			return i, answer // one more trial decides
		}
		if v.passed > v.failed {
			low, answer = i, v.rate
		}
		if v.failed > v.passed {
			high = i
			break
		}
	}
	a, b := (*s)[low], (*s)[max(low, high)]
	switch {
	case b.rate > a.rate*resolution:
		*s = slices.Insert(*s, low+1, votes{rate: math.Sqrt(a.rate * b.rate)})
		return low + 1, answer
	case !a.decided():
		return low, answer
	case !b.decided():
		return max(low, high), answer
	}
	return -1, answer
}

// find is PDR over anything that loses frames.
func find(run func(rate float64) (BlastResult, error), maxLoss, lo, hi float64, progress func(Trial)) (float64, []Trial, error) {
	if !(0 < lo && lo <= hi) || math.IsInf(hi, 0) {
		return 0, nil, fmt.Errorf("rates from %v to %v: must be above 0 and in order", lo, hi)
	}
	var trials []Trial
	s := search{{rate: lo}, {rate: hi}}
	for {
		i, answer := s.next()
		if i < 0 || len(trials) == maxTrials {
			return max(answer, selfPaced(trials, maxLoss)), trials, nil
		}
		r, err := run(s[i].rate)
		if err != nil {
			return 0, trials, err
		}
		t := Trial{Rate: s[i].rate, BlastResult: r, Behind: !r.KeptPace(s[i].rate)}
		t.Passed = !t.Behind && r.Loss <= maxLoss
		if t.Passed {
			s[i].passed++
		} else {
			s[i].failed++
		}
		trials = append(trials, t)
		if progress != nil {
			progress(t)
		}
	}
}

// selfPaced is the highest rate that was offered in enough trials that fell
// behind and lost little, 0 when there are fewer.
func selfPaced(trials []Trial, maxLoss float64) float64 {
	var offered []float64
	for _, t := range trials {
		if t.Behind && t.Loss <= maxLoss {
			offered = append(offered, t.OfferedRate)
		}
	}
	if len(offered) < enough {
		return 0
	}
	slices.Sort(offered)
	return offered[len(offered)-enough]
}
