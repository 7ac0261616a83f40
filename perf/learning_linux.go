package perf

import (
	"context"

	"weft/perf/load"
	"weft/perf/report"
)

const (
	// askAt is a rate at which every switch here forwards and floods without
	// loss, in frames a second.
	askAt = 40e3
	// showAt is a rate of new addresses that leaves the learning itself out
	// of what the capacity is about.
	showAt = 40e3
	// mostTrials bounds the search for a capacity, which takes seconds for a
	// trial: 8 halvings leave a 256th of the range.
	mostTrials = 8
)

// addresses is the measure of how many addresses a switch keeps and how many
// new ones it learns in a second (RFC 2889 sections 5.7 and 5.8), of one switch
// with three ports. A limit that is configured counts as it is by default.
func addresses(p pace) measure {
	return measure{
		name: "learning", scene: oneHost, frames: true, ports: 2, rounds: fewer,
		gives: []report.Quantity{
			{Key: "capacity", Title: "addresses kept, of " + grouped(p.addresses), Unit: "addresses", Group: "capacity"},
			{Key: "learning_rate", Title: "new addresses learned in a second", Unit: "thousand/s", Group: "learning"},
		},
		run: func(ctx context.Context, b *bench) ([]figure, error) {
			l := load.Learning{Learner: b.as[0], Tester: b.bs[0], Monitor: b.bs[1], Rate: showAt, TestRate: askAt}
			most, err := b.capacity(ctx, l)
			if err != nil {
				return nil, err
			}
			// Half of what it keeps, so that this is about time alone.
			l.Addresses = max(min(most/2, b.learned), 1)
			rate, _, err := l.MaxRate(ctx, b.lowest, b.highestRate, nil)
			return plainly(float64(most), rate/1e3), err
		},
	}
}

// capacity is the largest number of addresses of which none is flooded. Most
// switches keep as many as are tried, which is then all that is tried.
func (b *bench) capacity(ctx context.Context, l load.Learning) (int, error) {
	keeps := func(n int) (bool, error) {
		l.Addresses = n
		r, err := l.Run(ctx)
		return float64(r.Delivered-r.Flooded) >= float64(n)*(1-max(b.grant, partialLoss)), err
	}
	if all, err := keeps(b.addresses); all || err != nil {
		return b.addresses, err
	}
	lo, hi := 0, b.addresses
	for range mostTrials {
		n := (lo + hi) / 2
		if n == lo {
			break
		}
		ok, err := keeps(n)
		if err != nil {
			return 0, err
		}
		if ok {
			lo = n
		} else {
			hi = n
		}
	}
	return lo, nil
}
