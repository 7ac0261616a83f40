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
	// lowest and highest bound searches for a rate, in frames a second and
	// direction.
	lowest, highest float64
	// grant is a share of frames that any search lets be lost: none but in
	// tests, whose trials have a handful of frames on a busy machine.
	grant float64
	fill  int // addresses in the full table
}

// A trial must outlast the queues it fills: the TAP's 1000 frames are 20 ms at
// 50 000 frames/s. TCP needs a moment to open its window. The slowest system
// does ten times the lowest rate; the highest is past what the sender can do.
var (
	fullPace = pace{
		tcp: 2 * time.Second, trial: 300 * time.Millisecond, rtt: 2 * time.Second, idle: 5 * time.Second,
		lowest: 2e3, highest: 4e6, fill: 1e6,
	}
	quickPace = pace{
		tcp: 800 * time.Millisecond, trial: 100 * time.Millisecond, rtt: 400 * time.Millisecond, idle: time.Second,
		lowest: 2e4, highest: 2e6, fill: 1e5,
	}
)

// bench is one measurement of one system.
type bench struct {
	pace
	picture *systems.Picture
	a, b    load.End // the first client of each side
	// found is the rate that a search came to the last time it was made for
	// this measure of this system, 0 the first time.
	found *float64
}

// measure is a row of the table below: what is built, and what is run on it.
type measure struct {
	name  string
	quick bool // is in the quick form
	scene systems.Scene
	// frames: sends bare Ethernet frames.
	frames bool
	// userspace: is about processes.
	userspace bool
	// weft: is about weft alone.
	weft bool
	// program must be installed.
	program string
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

// jumbo is the MTU of an underlay that carries large packets, in bytes.
const jumbo = 9000

func onJumbo(s *systems.Shape) { s.MTU = jumbo }

// What is to be reached, and gone for then.
var (
	tcpTargets = []report.Target{{Against: "kernel", Reach: 0.8, Goal: 1}, {Against: report.Userspace, Reach: 4, Goal: 6}}
	pdrTargets = []report.Target{{Against: "kernel", Reach: 1.3, Goal: 1.8}, {Against: "ovs", Reach: 10, Goal: 20}}
	rttTargets = []report.Target{{Against: "kernel", Reach: 3, Goal: 1.5}, {Against: report.Userspace, Reach: 0.4, Goal: 0.2}}
	oneTargets = []report.Target{{Against: "bridge", Reach: 0.7, Goal: 1}, {Against: "vde", Reach: 3, Goal: 5}}
)

// measures are in the order of the tables.
var measures = []measure{
	{
		name: "tcp", quick: true, scene: twoHosts, run: tcp(1, false),
		gives: []report.Quantity{
			{Key: "tcp1", Title: "TCP, one stream", Unit: "Gbit/s", Group: "tcp", Targets: tcpTargets},
			{Key: "tcp1_cpu", Title: "CPU for it, whole machine", Unit: "s/Gbit", Lower: true, Group: "cpu"},
		},
	},
	{
		name: "tcp-back", scene: twoHosts, run: first(tcp(1, true)),
		gives: []report.Quantity{{Key: "tcp1_back", Title: "TCP, one stream, B to A", Unit: "Gbit/s", Group: "tcp"}},
	},
	{
		name: "tcp8", scene: twoHosts, run: first(tcp(8, false)),
		gives: []report.Quantity{{Key: "tcp8", Title: "TCP, eight streams", Unit: "Gbit/s", Group: "tcp"}},
	},
	{
		name: "tcp8-back", scene: twoHosts, run: first(tcp(8, true)),
		gives: []report.Quantity{{Key: "tcp8_back", Title: "TCP, eight streams, B to A", Unit: "Gbit/s", Group: "tcp"}},
	},
	{
		name: "tcp-jumbo", scene: twoHosts, run: first(tcp(1, false)), shape: onJumbo,
		gives: []report.Quantity{{Key: "tcp1_jumbo", Title: "TCP, one stream, underlay MTU 9000", Unit: "Gbit/s", Group: "tcp"}},
	},
	{
		name: "tcp8-jumbo", scene: twoHosts, run: first(tcp(8, false)), shape: onJumbo,
		gives: []report.Quantity{{Key: "tcp8_jumbo", Title: "TCP, eight streams, underlay MTU 9000", Unit: "Gbit/s", Group: "tcp"}},
	},
	{
		name: "iperf3", quick: true, scene: twoHosts, program: "iperf3", run: iperf3,
		gives: []report.Quantity{{Key: "iperf3", Title: "TCP, one stream, as iperf3 measures", Unit: "Gbit/s", Group: "tcp", Targets: tcpTargets}},
	},
	{
		name: "pdr64", quick: true, scene: twoHosts, frames: true, run: pdr(64, true),
		gives: []report.Quantity{
			{Key: "pdr64", Title: "64 B frames, loss ≤ 0.5 %", Unit: "kframes/s", Group: "frames", Targets: pdrTargets},
			{Key: "pdr64_cpu", Title: "CPU at half of that, whole machine", Unit: "s/Mframe", Lower: true, Group: "cpu"},
			{Key: "pdr64_rtt50", Title: "UDP round trip at half of that, p50", Unit: "µs", Lower: true, Group: "loaded"},
			{Key: "pdr64_rtt99", Title: "UDP round trip at half of that, p99", Unit: "µs", Lower: true, Group: "loaded"},
		},
	},
	{
		name: "pdr512", scene: twoHosts, frames: true, run: pdr(512, false),
		gives: []report.Quantity{{Key: "pdr512", Title: "512 B frames, loss ≤ 0.5 %", Unit: "kframes/s", Group: "frames"}},
	},
	{
		name: "pdr1400", scene: twoHosts, frames: true, run: pdr(1400, false),
		gives: []report.Quantity{{Key: "pdr1400", Title: "1400 B frames, loss ≤ 0.5 %", Unit: "kframes/s", Group: "frames"}},
	},
	{
		name: "pdr64-both", scene: twoHosts, frames: true, run: search(64, partialLoss, true),
		gives: []report.Quantity{{Key: "pdr64_both", Title: "64 B frames each way, loss ≤ 0.5 %", Unit: "kframes/s", Group: "frames"}},
	},
	{
		name: "ndr64", scene: twoHosts, frames: true, run: search(64, 0, false),
		gives: []report.Quantity{{Key: "ndr64", Title: "64 B frames, no loss", Unit: "kframes/s", Group: "frames"}},
	},
	{
		name: "rtt-tcp", quick: true, scene: twoHosts, run: rtt("tcp"),
		gives: []report.Quantity{
			{Key: "rtt_tcp50", Title: "TCP round trip, p50", Unit: "µs", Lower: true, Group: "rtt", Targets: rttTargets},
			{Key: "rtt_tcp99", Title: "TCP round trip, p99", Unit: "µs", Lower: true, Group: "rtt"},
			{Key: "rtt_tcp999", Title: "TCP round trip, p99.9", Unit: "µs", Lower: true, Group: "rtt"},
		},
	},
	{
		name: "rtt-udp", scene: twoHosts, run: rtt("udp"),
		gives: []report.Quantity{
			{Key: "rtt_udp50", Title: "UDP round trip, p50", Unit: "µs", Lower: true, Group: "rtt"},
			{Key: "rtt_udp99", Title: "UDP round trip, p99", Unit: "µs", Lower: true, Group: "rtt"},
			{Key: "rtt_udp999", Title: "UDP round trip, p99.9", Unit: "µs", Lower: true, Group: "rtt"},
		},
	},
	{
		name: "idle", quick: true, scene: twoHosts, userspace: true, run: idle,
		gives: []report.Quantity{{
			Key: "idle", Title: "CPU when idle, both hosts' daemons", Unit: "% of machine", Lower: true, Group: "idle",
			Targets: []report.Target{{Reach: 0.5, Goal: 0.01}},
		}},
	},
	{
		name: "trickle", quick: true, scene: twoHosts, frames: true, userspace: true, run: trickle,
		gives: []report.Quantity{{
			Key: "trickle", Title: "CPU at 1000 frames/s, both hosts' daemons", Unit: "% of a core", Lower: true, Group: "idle",
			Targets: []report.Target{{Reach: 8, Goal: 3}},
		}},
	},
	{
		name: "memory", quick: true, scene: twoHosts, userspace: true, run: memory,
		shape: func(s *systems.Shape) { s.Clients, s.Absent = 2, 1 },
		gives: []report.Quantity{{
			Key: "memory", Title: "resident memory of a host, two ports, two peers", Unit: "MB", Lower: true, Group: "memory",
			Targets: []report.Target{{Reach: 40, Goal: 20}},
		}},
	},
	{
		name: "fdb", quick: true, scene: twoHosts, frames: true, weft: true, run: tableSizes,
		shape: func(s *systems.Shape) { s.FDBLimit = 2e6 },
		gives: []report.Quantity{
			{Key: "fdb_few", Title: "64 B frames to 10 addresses", Unit: "kframes/s", Group: "fdb"},
			{Key: "fdb_10k", Title: "64 B frames to 10 thousand addresses", Unit: "kframes/s", Group: "fdb"},
			{Key: "fdb_full", Title: "64 B frames to a million addresses (quick: 100 thousand)", Unit: "kframes/s", Group: "fdb"},
			{
				Key: "fdb_ratio", Title: "the most addresses to 10", Unit: "ratio", Group: "fdb_ratio",
				Targets: []report.Target{{Reach: 0.9, Goal: 0.97}},
			},
		},
	},
	flood(1), flood(10), flood(100),
	{
		name: "local-tcp", quick: true, scene: oneHost, run: first(tcp(1, false)),
		gives: []report.Quantity{{Key: "local_tcp1", Title: "TCP, one stream", Unit: "Gbit/s", Group: "local", Targets: oneTargets}},
	},
	{
		name: "local-tcp8", scene: oneHost, run: first(tcp(8, false)),
		gives: []report.Quantity{{Key: "local_tcp8", Title: "TCP, eight streams", Unit: "Gbit/s", Group: "local"}},
	},
	{
		name: "local-iperf3", scene: oneHost, program: "iperf3", run: iperf3,
		gives: []report.Quantity{{Key: "local_iperf3", Title: "TCP, one stream, as iperf3 measures", Unit: "Gbit/s", Group: "local", Targets: oneTargets}},
	},
	{
		name: "local-rtt", scene: oneHost, run: rtt("tcp"),
		gives: []report.Quantity{
			{Key: "local_rtt50", Title: "TCP round trip, p50", Unit: "µs", Lower: true, Group: "local_rtt"},
			{Key: "local_rtt99", Title: "TCP round trip, p99", Unit: "µs", Lower: true, Group: "local_rtt"},
			{Key: "local_rtt999", Title: "TCP round trip, p99.9", Unit: "µs", Lower: true, Group: "local_rtt"},
		},
	},
	{
		name: "local-pdr64", scene: oneHost, frames: true, run: search(64, partialLoss, false),
		gives: []report.Quantity{{Key: "local_pdr64", Title: "64 B frames, loss ≤ 0.5 %", Unit: "kframes/s", Group: "local_frames"}},
	},
}
