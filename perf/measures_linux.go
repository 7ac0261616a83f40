package perf

import (
	"context"
	"time"

	"weft/perf/load"
	"weft/perf/report"
	"weft/perf/systems"
)

// pace is how long things take.
type pace struct {
	tcp   time.Duration // a throughput measurement
	trial time.Duration // a trial of a search for a rate
	rtt   time.Duration
	idle  time.Duration // a measurement of CPU time
}

// A trial must outlast the queues it fills: the TAP's 1000 frames are 20 ms at
// 50 000 frames/s. TCP needs a moment to open its window.
var (
	fullPace  = pace{tcp: 3 * time.Second, trial: 500 * time.Millisecond, rtt: 2 * time.Second, idle: 5 * time.Second}
	quickPace = pace{tcp: time.Second, trial: 200 * time.Millisecond, rtt: 500 * time.Millisecond, idle: 2 * time.Second}
)

// bench is one measurement of one system.
type bench struct {
	pace
	picture *systems.Picture
	a, b    load.End // the first client of each side
}

// measure is a row of the table below: what is built, and what is run on it.
type measure struct {
	name  string
	quick bool // is in the quick form
	scene systems.Scene
	// frames: sends bare Ethernet frames.
	frames bool
	// only names the systems it is for, with "weft" for every build of weft;
	// all when empty.
	only []string
	// shape changes the picture: one client a side, nothing else there.
	shape func(*systems.Shape)
	// gives is what run returns the values of, in order.
	gives []report.Quantity
	run   func(context.Context, *bench) ([]float64, error)
}

const (
	twoHosts = systems.TwoHosts
	oneHost  = systems.OneHost
)

// measures are in the order of the tables.
var measures = []measure{
	{
		name: "tcp", quick: true, scene: twoHosts, run: tcp(1, false),
		gives: []report.Quantity{{
			Key: "tcp1", Title: "TCP, one stream", Unit: "Gbit/s", Group: "tcp",
			Targets: []report.Target{{Against: "kernel", Reach: 0.8, Goal: 1}, {Against: report.Userspace, Reach: 4, Goal: 6}},
		}},
	},
	{
		name: "local-tcp", quick: true, scene: oneHost, run: tcp(1, false),
		gives: []report.Quantity{{
			Key: "local_tcp1", Title: "TCP, one stream", Unit: "Gbit/s", Group: "local",
			Targets: []report.Target{{Against: "bridge", Reach: 0.7, Goal: 1}, {Against: "vde", Reach: 3, Goal: 5}},
		}},
	},
}

// tcp measures throughput over some streams, there or back.
func tcp(streams int, back bool) func(context.Context, *bench) ([]float64, error) {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		from, to := b.a, b.b
		if back {
			from, to = to, from
		}
		bps, err := load.TCP(ctx, from, to, streams, b.tcp)
		return []float64{bps / 1e9}, err
	}
}
