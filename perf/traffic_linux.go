package perf

import (
	"context"
	"fmt"
	"time"

	"weft/perf/load"
)

// take is what a row of the table runs.
type take = func(context.Context, *bench) ([]float64, error)

// first leaves the values after the first out.
func first(f take) take {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		v, err := f(ctx, b)
		return v[:min(1, len(v))], err
	}
}

// tcp gives the throughput over some streams, there or back, and what
// processor time it took.
func tcp(streams int, back bool) take {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		from, to := b.a, b.b
		if back {
			from, to = to, from
		}
		cpu, err := load.StartCPU()
		if err != nil {
			return nil, err
		}
		bps, err := load.TCP(ctx, from, to, streams, b.tcp)
		if err != nil {
			return nil, err
		}
		use, err := cpu.Stop()
		gbps := bps / 1e9
		// The warm-up is in the time and so, at the same speed, in the bits.
		return []float64{gbps, use.Busy / (gbps * use.Elapsed.Seconds())}, err
	}
}

const (
	// partialLoss is what RFC 8172 section 3.4 grants a device on a shared
	// machine, as the share that is lost.
	partialLoss = 0.005

	// nearby is how far from the rate of the round before a search begins.
	nearby = 1.5

	// fcs is counted in the length of a frame by RFC 2544 and is not in its
	// bytes here.
	fcs = 4

	// rrSize is the payload of round trips, in bytes: a small request.
	rrSize = 64
)

// search gives the highest rate of frames of a size with at most so much loss.
func search(size int, loss float64, bothWays bool) take {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		blast := load.Blast{From: b.a, To: b.b, FrameLen: size - fcs, Bidirectional: bothWays}
		rate, err := b.find(ctx, blast, max(loss, b.grant))
		return []float64{rate / 1e3}, err
	}
}

func (b *bench) find(ctx context.Context, blast load.Blast, loss float64) (float64, error) {
	if last := *b.found; last > 0 {
		rate, _, err := load.PDR(ctx, blast, loss, last/nearby, last*nearby, b.trial, nil)
		if err != nil {
			return 0, err
		}
		if rate > last/nearby*1.01 && rate < last*nearby*0.99 {
			*b.found = rate
			return rate, nil
		}
	}
	rate, _, err := load.PDR(ctx, blast, loss, b.lowest, b.highest, b.trial, nil)
	if err == nil && rate == 0 {
		err = fmt.Errorf("loses frames at %.0f a second", b.lowest)
	}
	*b.found = rate
	return rate, err
}

// pdr is search and, for half the rate it finds, the processor time for a
// frame and the round trip beside that load (RFC 8172 wants it well below the
// throughput).
func pdr(size int, atHalf bool) take {
	one := search(size, partialLoss, false)
	if !atHalf {
		return one
	}
	return func(ctx context.Context, b *bench) ([]float64, error) {
		values, err := one(ctx, b)
		if err != nil {
			return nil, err
		}
		half := values[0] * 1e3 / 2
		l, err := load.StartLoad(ctx, load.Blast{From: b.a, To: b.b, FrameLen: size - fcs, Rate: half})
		if err != nil {
			return nil, err
		}
		perFrame, err := busyOver(ctx, b.idle/2)
		if err != nil {
			_, _ = l.Stop() // the first error is the one to tell
			return nil, err
		}
		trip, err := load.RTT(ctx, b.a, b.b, "udp", rrSize, b.rtt)
		if _, stopErr := l.Stop(); err == nil {
			err = stopErr
		}
		return append(values, perFrame/half*1e6, micros(trip.P50), micros(trip.P99)), err
	}
}

// busyOver is how many processors were busy, on average.
func busyOver(ctx context.Context, d time.Duration) (float64, error) {
	cpu, err := load.StartCPU()
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, d); err != nil {
		return 0, err
	}
	use, err := cpu.Stop()
	return use.Busy / use.Elapsed.Seconds(), err
}

// rtt gives three percentiles of the round trip without other load.
func rtt(proto string) take {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		l, err := load.RTT(ctx, b.a, b.b, proto, rrSize, b.rtt)
		return []float64{micros(l.P50), micros(l.P99), micros(l.P999)}, err
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
