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
	trial time.Duration // a trial of a search for a rate, at least
	rtt   time.Duration
	idle  time.Duration // a measurement of CPU time
	// lowest and highestRate bound searches for a rate, in frames a second and
	// direction.
	lowest, highestRate float64
	// grant is a share of frames that any search lets be lost: none but in
	// tests, whose trials have a handful of frames on a busy machine.
	grant float64
	fill  int // addresses in the full table
	// addresses bounds the search for how many are kept, learned how many are
	// shown at once where the rate of learning is searched.
	addresses, learned int
	// settle is how long a system is left alone after it came up before its
	// processor time counts, for a daemon that collects garbage, probes or
	// talks to its peer at first.
	settle time.Duration
	// brief leaves out what is not in the quick form.
	brief bool
}

// TCP needs a moment to open its window. The slowest system does several times
// the lowest rate; the highest is past what the senders can do.
var (
	fullPace = pace{
		tcp: time.Second, trial: 60 * time.Millisecond, rtt: time.Second, idle: 2 * time.Second,
		lowest: 5e3, highestRate: 4e6, fill: 1e6, addresses: 30_000, learned: 5000, settle: time.Second,
	}
	quickPace = pace{
		tcp: 600 * time.Millisecond, trial: 40 * time.Millisecond, rtt: 300 * time.Millisecond, idle: 800 * time.Millisecond,
		lowest: 2e4, highestRate: 2e6, fill: 1e5, addresses: 10_000, learned: 5000, settle: time.Second, brief: true,
	}
)

// bench is one measurement of one system.
type bench struct {
	pace
	picture *systems.Picture
	as, bs  []load.End // the clients of each side
	a, b    load.End   // the first of each
	found   found      // of this system
}

// figure is a value of a quantity. setting and tried are for [report.Sample].
type figure struct {
	value   float64
	setting string
	tried   []report.Tried
}

// plainly makes figures of values.
func plainly(values ...float64) []figure {
	var all []figure
	for _, v := range values {
		all = append(all, figure{value: v})
	}
	return all
}

// measure is what is built, and what is run on it.
type measure struct {
	name  string
	quick bool // is in the quick form
	scene systems.Scene
	// frames: sends bare Ethernet frames.
	frames bool
	// ports is the number of clients on each side, 0 for one.
	ports int
	// vteps is the number of remote VTEPs of A, 0 for one. All but one are
	// not there.
	vteps int
	// mtu of the underlay, in bytes, 0 for what was asked for.
	mtu int
	// apart: each host and its clients have a CPU of their own.
	apart bool
	// fdbLimit is asked for where a system takes one, 0 for its default.
	fdbLimit int
	// userspace: is about processes.
	userspace bool
	// weft: is about weft alone.
	weft bool
	// counted: is about builds of weft that count what they allocate.
	counted bool
	// rounds is in how many of the rounds it is taken, 0 for all: what takes
	// long and changes little.
	rounds int
	// main: is taken of systems that are in the main measures only.
	main bool
	// program must be installed.
	program string
	// gives is what run returns the figures of, in order; in the full form
	// those of more follow.
	gives, more []report.Quantity
	run         func(context.Context, *bench) ([]figure, error)
}

const (
	twoHosts = systems.TwoHosts
	oneHost  = systems.OneHost
	// jumbo is the MTU of an underlay that carries large packets, in bytes.
	jumbo = 9000
	// fewer rounds are enough for what takes long and changes little: the least
	// that a median leaves one bad round out of.
	fewer = 3
)

// What is to be reached, and gone for then.
var (
	tcpTargets = []report.Target{{Against: "kernel", Reach: 0.8, Goal: 1}, {Against: report.Userspace, Reach: 4, Goal: 6}}
	pdrTargets = []report.Target{{Against: "kernel", Reach: 1.3, Goal: 1.8}, {Against: "ovs", Reach: 10, Goal: 20}}
	rttTargets = []report.Target{{Against: "kernel", Reach: 3, Goal: 1.5}, {Against: report.Userspace, Reach: 0.4, Goal: 0.2}}
	oneTargets = []report.Target{{Against: "bridge", Reach: 0.7, Goal: 1}, {Against: "vde", Reach: 3, Goal: 5}}
)

// byIperf ends the titles of what iperf3 measures; plain writes are those of
// package load, of 256 KiB.
const byIperf = ", as iperf3 measures"

// eachOnOne ends the titles of what is measured with hosts that have a CPU each.
const eachOnOne = ", each host on one CPU"

// measures are in the order of the tables.
func measures(p pace) []measure {
	small, smallBoth := traffic{size: 64, ports: 1}, traffic{size: 64, both: true, ports: 1}
	all := []measure{
		tcp(measure{name: "tcp", quick: true, main: true, scene: twoHosts}, "", "tcp", ", plain writes", plain, patterns, tcpTargets),
		tcp(measure{name: "iperf3", quick: true, main: true, scene: twoHosts, program: "iperf3"}, "iperf3_", "iperf3", byIperf, iperf3, patterns[:3], tcpTargets),
		tcp(measure{name: "tcp-apart", main: true, scene: twoHosts, apart: true}, "apart_", "apart", ", plain writes"+eachOnOne, plain, patterns[:2], tcpTargets),
		tcp(measure{name: "iperf3-apart", main: true, scene: twoHosts, apart: true, program: "iperf3"}, "apart_iperf3_", "apart", byIperf+eachOnOne, iperf3, patterns[:2], tcpTargets),
		tcp(measure{name: "tcp-jumbo", scene: twoHosts, mtu: jumbo}, "jumbo_", "jumbo", ", underlay MTU 9000, plain writes", plain, patterns, nil),
		tcp(measure{name: "iperf3-jumbo", scene: twoHosts, mtu: jumbo, program: "iperf3"}, "jumbo_iperf3_", "jumbo", ", underlay MTU 9000"+byIperf, iperf3, patterns[:1], nil),
		rates(measure{name: "pdr64", quick: true, main: true, scene: twoHosts}, small, "frames", pdrTargets),
		loaded(measure{name: "half64", main: true, scene: twoHosts, frames: true}, small),
		rates(measure{name: "pdr64-both", scene: twoHosts}, smallBoth, "frames", nil),
	}
	for _, both := range []bool{false, true} {
		t := traffic{size: 512, both: both, ports: 1}
		all = append(all, rates(measure{name: "pdr" + t.key(), scene: twoHosts, rounds: fewer}, t, "frames", nil))
	}
	for _, both := range []bool{false, true} {
		t := traffic{size: 1400, both: both, ports: 1}
		all = append(all, rates(measure{name: "pdr" + t.key(), scene: twoHosts}, t, "frames", nil))
	}
	for _, ports := range []int{2, 5, 10} {
		t := traffic{size: 64, ports: ports}
		all = append(all, rates(measure{name: "pdr" + t.key(), scene: twoHosts, rounds: fewer}, t, "ports", nil))
	}
	return append(
		all,
		unloaded(measure{name: "rtt", quick: true, main: true, scene: twoHosts}, "rtt_", "rtt", rttTargets),
		costs, memory, allocations,
		tableSizes(p),
		flood(1), flood(10), flood(100),
		tcp(measure{name: "local-tcp", quick: true, main: true, scene: oneHost}, "local_", "local", ", plain writes", plain, patterns, oneTargets),
		tcp(measure{name: "local-iperf3", main: true, scene: oneHost, program: "iperf3"}, "local_iperf3_", "local_iperf3", byIperf, iperf3, patterns[:1], oneTargets),
		unloaded(measure{name: "local-rtt", main: true, scene: oneHost}, "local_", "local_rtt", nil),
		addresses(p),
		rates(measure{name: "local-pdr64", main: true, scene: oneHost}, small, "local_frames", nil),
	)
}
