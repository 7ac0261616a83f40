package perf

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"weft/perf/load"
)

// settle is how long a system is left alone after it came up, for a daemon
// that collects garbage, probes or talks to its peer at first.
const settle = time.Second

// idle is the processor time of all daemons while nothing is sent.
func idle(ctx context.Context, b *bench) ([]float64, error) {
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	share, err := b.daemonsBusy(ctx)
	return []float64{share / float64(runtime.NumCPU()) * 100}, err
}

// trickle is the processor time of all daemons at a thousand frames a second.
func trickle(ctx context.Context, b *bench) ([]float64, error) {
	const rate = 1000
	l, err := load.StartLoad(ctx, load.Blast{From: b.a, To: b.b, FrameLen: load.MinFrameLen, Rate: rate})
	if err != nil {
		return nil, err
	}
	share, err := b.daemonsBusy(ctx)
	r, stopErr := l.Stop()
	if err == nil {
		err = stopErr
	}
	if err == nil && r.Loss > 0.5 {
		err = fmt.Errorf("%.0f %% of %d frames a second were lost", r.Loss*100, rate)
	}
	return []float64{share * 100}, err
}

// daemonsBusy is how many processors the daemons of both sides use.
func (b *bench) daemonsBusy(ctx context.Context) (float64, error) {
	pids := append(b.picture.A.Pids(), b.picture.B.Pids()...)
	before, err := cpuTime(pids)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := pause(ctx, b.idle); err != nil {
		return 0, err
	}
	after, err := cpuTime(pids)
	return float64(after-before) / float64(time.Since(start)), err
}

// cpuTime is the processor time that processes have used, in user and kernel
// mode, their ended threads included. It is exact, where /proc counts in steps
// of 10 ms: too coarse for a daemon that does next to nothing.
func cpuTime(pids []int) (total time.Duration, err error) {
	// The clock of a process: its number inverted, and 2 for "as the scheduler
	// counts" (clock_getcpuclockid(3)).
	const numberShift, scheduled = 3, 2
	for _, pid := range pids {
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<numberShift|scheduled), &ts); err != nil {
			return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
		}
		total += time.Duration(ts.Nano())
	}
	return total, nil
}

// memory is what the daemons of a host have resident after traffic, on the
// host that has more.
func memory(ctx context.Context, b *bench) ([]float64, error) {
	if _, err := load.TCP(ctx, b.a, b.b, 1, b.tcp); err != nil {
		return nil, err
	}
	var most float64
	for _, s := range b.picture.Sides() {
		var sum float64
		for _, pid := range s.Pids() {
			n, err := load.RSS(pid)
			if err != nil {
				return nil, err
			}
			sum += float64(n) / 1e6
		}
		most = max(most, sum)
	}
	return []float64{most}, nil
}
