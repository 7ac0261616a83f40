package perf

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"weft/perf/load"
	"weft/perf/report"
)

// costs is the measure of the processor time of all daemons while nothing is
// sent, and at a thousand frames a second.
var costs = measure{
	name: "idle", quick: true, scene: twoHosts, frames: true, userspace: true,
	gives: []report.Quantity{
		{
			Key: "idle", Title: "CPU when idle, both hosts' daemons", Unit: "% of machine", Lower: true, Group: "idle",
			Targets: []report.Target{{Reach: 0.5, Goal: 0.01}},
		},
		{
			Key: "trickle", Title: "CPU at 1000 frames/s, both hosts' daemons", Unit: "% of a core", Lower: true, Group: "trickle",
			Targets: []report.Target{{Reach: 8, Goal: 3}},
		},
	},
	run: func(ctx context.Context, b *bench) ([]figure, error) {
		if err := pause(ctx, b.settle); err != nil {
			return nil, err
		}
		idle, err := b.daemonsBusy(ctx)
		if err != nil {
			return nil, err
		}
		trickle, err := b.trickle(ctx)
		return plainly(idle/float64(runtime.NumCPU())*100, trickle*100), err
	},
}

// trickle is how many processors the daemons use at a thousand frames a second.
func (b *bench) trickle(ctx context.Context) (float64, error) {
	const rate = 1000
	l, err := load.StartLoad(ctx, load.Blast{From: b.a, To: b.b, FrameLen: load.MinFrameLen, Rate: rate})
	if err != nil {
		return 0, err
	}
	busy, err := b.daemonsBusy(ctx)
	r, stopErr := l.Stop()
	if err == nil {
		err = stopErr
	}
	if err == nil && r.Loss > 0.5 {
		err = fmt.Errorf("%.0f %% of %d frames a second were lost", r.Loss*100, rate)
	}
	return busy, err
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

// memory is the measure of what the daemons of a host have resident after
// traffic, on the host that has more: A, which has two peers.
var memory = measure{
	name: "memory", quick: true, scene: twoHosts, userspace: true, ports: 2, vteps: 2,
	gives: []report.Quantity{{
		Key: "memory", Title: "resident memory of a host, two ports, two peers", Unit: "MB", Lower: true, Group: "memory",
		Targets: []report.Target{{Reach: 40, Goal: 20}},
	}},
	run: func(ctx context.Context, b *bench) ([]figure, error) {
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
		return plainly(most), nil
	},
}

// allocations is the measure of the objects that both hosts' daemons allocate
// for a frame, the few that go by time instead included. The daemon counts
// (runtime.MemStats.Mallocs) and says so when it is sent a signal; that is in
// `weft perf-counted`, not in the daemon that people run.
var allocations = measure{
	name: "allocs", quick: true, scene: twoHosts, frames: true, weft: true, counted: true,
	gives: []report.Quantity{{
		Key: "allocs", Title: "allocations a frame, both hosts' daemons", Unit: "objects", Lower: true, Group: "allocs",
	}},
	run: func(ctx context.Context, b *bench) ([]figure, error) {
		// The first frames find queues and tables that grow.
		if _, err := spray(ctx, b.a, b.b, b.rtt, 0, b.stream); err != nil {
			return nil, err
		}
		before, err := b.allocated(ctx)
		if err != nil {
			return nil, err
		}
		got, err := spray(ctx, b.a, b.b, b.tcp, 0, b.stream)
		if err != nil {
			return nil, err
		}
		after, err := b.allocated(ctx)
		return plainly(float64(after-before) / float64(max(got.received, 1))), err
	},
}

// stream addresses frames from the client of A to that of B.
func (b *bench) stream(_ int, frame []byte) { address(frame, b.b.MAC, b.a.MAC) }

func (b *bench) allocated(ctx context.Context) (sum uint64, err error) {
	for _, s := range b.picture.Sides() {
		n, err := s.Allocations(ctx)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
