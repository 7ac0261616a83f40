package perf

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"weft/perf/load"
	"weft/perf/report"
)

const (
	// partialLoss is what RFC 8172 section 3.4 grants a device on a shared
	// machine, as the share that is lost.
	partialLoss = 0.005

	// nearby is how far from the rate of the round before a search begins,
	// around how far from what arrives of far too much.
	nearby, around = 1.25, 2.5

	// hopeless is the share of the best that a number of senders came to at
	// which it is not tried again in the rounds that follow.
	hopeless = 0.5
)

// senderCounts are the numbers of sending threads that are tried of each
// system. What the kernel does for a frame, it does on the thread that sends
// it, so one thread would measure one processor; a switch with processes of its
// own loses to a second sender the processor it runs on. Each system counts
// with what suits it.
var senderCounts = []int{1, 2}

// found is what searches came to on one system, for the rounds that follow: a
// rate in frames a second by what was searched and the number of senders.
type found map[search]float64

// search is a question that a search answers.
type search struct {
	name    string
	senders int
}

// best gives the number of senders with the highest rate, and that rate; both
// are 0 when it was not searched yet.
func (f found) best(name string) (senders int, rate float64) {
	for _, n := range senderCounts {
		if r := f[search{name, n}]; r > rate {
			senders, rate = n, r
		}
	}
	return senders, rate
}

// highest gives the highest rate, in thousands a second and direction, with at
// most so much loss, over all numbers of senders.
func (b *bench) highest(ctx context.Context, name string, blast load.Blast, loss float64) (figure, error) {
	var tried []report.Tried
	_, last := b.found.best(name)
	for _, n := range senderCounts {
		s := search{name, n}
		if before, ok := b.found[s]; ok && before < hopeless*last {
			continue
		}
		blast.Senders = n
		rate, err := b.find(ctx, blast, max(loss, b.grant), b.found[s], b.highestRate)
		if err != nil {
			return figure{}, err
		}
		b.found[s] = rate
		tried = append(tried, report.Tried{Setting: settingOf(n), Value: rate / 1e3})
	}
	top := bestOf(tried)
	if top.value == 0 {
		return figure{}, fmt.Errorf("loses frames at %.0f a second", b.lowest)
	}
	return top, nil
}

// bestOf is the figure of the best setting; there is at least one.
func bestOf(tried []report.Tried) figure {
	top := slices.MaxFunc(tried, func(a, b report.Tried) int { return cmp.Compare(a.Value, b.Value) })
	return figure{value: top.Value, setting: top.Setting, tried: tried}
}

func settingOf(senders int) string {
	if senders == 1 {
		return "1 sender"
	}
	return fmt.Sprintf("%d senders", senders)
}

// find searches up to the rate most: around the rate of the round before, or
// without one, 0, around what arrives of that most, and beyond when the answer
// is not there.
func (b *bench) find(ctx context.Context, blast load.Blast, loss, last, most float64) (float64, error) {
	apart := nearby
	if last == 0 {
		blast.Rate, blast.Duration = most, b.trial
		r, err := blast.Run(ctx)
		if err != nil {
			return 0, err
		}
		last, apart = r.ReceivedRate, around
	}
	hi := max(min(most, last*apart), b.lowest)
	lo := max(min(hi, last/apart), b.lowest)
	rate, _, err := load.PDR(ctx, blast, loss, lo, hi, b.trial, nil)
	switch {
	case err != nil:
	case rate == 0 && lo > b.lowest:
		rate, _, err = load.PDR(ctx, blast, loss, b.lowest, lo, b.trial, nil)
	case rate >= hi && hi < most:
		rate, _, err = load.PDR(ctx, blast, loss, hi, most, b.trial, nil)
		rate = max(rate, hi) // it has passed
	}
	return rate, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
