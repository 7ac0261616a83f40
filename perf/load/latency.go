package load

import (
	"math"
	"slices"
	"time"
)

// Latency is the distribution of round trips. Percentiles are samples, by
// nearest rank: P50 is the smallest that at least half of them do not exceed.
type Latency struct {
	P50, P99, P999, Min, Max, Mean time.Duration
	// Count is how many round trips there were.
	Count int
	// Lost is how many UDP requests had no answer within 200 ms. They are in
	// no other figure.
	Lost int
}

// latencyOf sorts the samples, in ns.
func latencyOf(samples []uint32, lost int) Latency {
	l := Latency{Count: len(samples), Lost: lost}
	if len(samples) == 0 {
		return l
	}
	slices.Sort(samples)
	rank := func(share float64) time.Duration {
		return time.Duration(samples[max(int(math.Ceil(share*float64(len(samples)))), 1)-1])
	}
	var sum float64
	for _, s := range samples {
		sum += float64(s)
	}
	l.P50, l.P99, l.P999 = rank(0.5), rank(0.99), rank(0.999)
	l.Min, l.Max = rank(0), rank(1)
	l.Mean = time.Duration(sum / float64(len(samples)))
	return l
}
