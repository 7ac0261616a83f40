package perf

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weft/perf/load"
	"weft/perf/report"
)

// rrSize is the payload of round trips, in bytes: a small request.
const rrSize = 64

// trips are the quantities of round trips over a protocol.
func trips(prefix, proto, how, group string, targets []report.Target) []report.Quantity {
	var all []report.Quantity
	for _, p := range []struct{ key, title string }{{"50", "p50"}, {"99", "p99"}, {"999", "p99.9"}} {
		all = append(all, report.Quantity{
			Key: prefix + proto + p.key, Title: fmt.Sprintf("%s round trip%s, %s", strings.ToUpper(proto), how, p.title),
			Unit: "µs", Lower: true, Group: group,
		})
	}
	all[0].Targets = targets
	return all
}

// unloaded is the measure of round trips without other load: over TCP, with
// the clients on one CPU and, in the full form, where they fall, and over UDP.
func unloaded(m measure, prefix, group string, targets []report.Target) measure {
	m.gives = trips(prefix, "tcp", "", group, targets)
	m.more = append(trips(prefix+"unpinned_", "tcp", ", unpinned", group, nil), trips(prefix, "udp", "", group, nil)...)
	m.run = func(ctx context.Context, b *bench) ([]figure, error) {
		all, err := trip(ctx, b, "tcp", load.FirstCPU)
		if err != nil || b.brief {
			return all, err
		}
		unpinned, err := trip(ctx, b, "tcp", load.AnyCPU)
		if err != nil {
			return nil, err
		}
		all = append(all, unpinned...)
		udp, err := trip(ctx, b, "udp", load.FirstCPU)
		return append(all, udp...), err
	}
	return m
}

// trip gives three percentiles.
func trip(ctx context.Context, b *bench, proto string, at load.Placement) ([]figure, error) {
	l, err := load.RTT(ctx, b.a, b.b, proto, rrSize, b.rtt, at)
	return plainly(micros(l.P50), micros(l.P99), micros(l.P999)), err
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// loaded is the measure of what half the rate that a traffic can have costs:
// processor time for a frame, and round trips beside it. RFC 8172 wants
// latency measured well below the throughput.
func loaded(m measure, t traffic) measure {
	pdr, key := "pdr"+t.key(), "half"+t.key()
	m.gives = []report.Quantity{{
		Key: key + "_cpu", Title: fmt.Sprintf("CPU for %s at half the PDR, whole machine", t.title()), Unit: "s/Mframe", Lower: true, Group: "frame_cpu",
	}}
	for _, proto := range []string{"tcp", "udp"} {
		m.gives = append(m.gives, trips(key+"_", proto, " at half the PDR", "loaded", nil)...)
	}
	m.run = func(ctx context.Context, b *bench) (all []figure, err error) {
		blast := t.blast(b)
		n, most := b.found.best(pdr)
		if most == 0 { // that was not measured
			if _, err := b.highest(ctx, pdr, blast, partialLoss); err != nil {
				return nil, err
			}
			n, most = b.found.best(pdr)
		}
		blast.Senders, blast.Rate = n, most/2
		l, err := load.StartLoad(ctx, blast)
		if err != nil {
			return nil, err
		}
		defer func() {
			if _, stopErr := l.Stop(); err == nil {
				err = stopErr
			}
		}()
		busy, err := busyOver(ctx, b.idle/2)
		if err != nil {
			return nil, err
		}
		all = plainly(busy / blast.Rate * 1e6)
		for _, proto := range []string{"tcp", "udp"} {
			got, err := trip(ctx, b, proto, load.FirstCPU)
			if err != nil {
				return nil, err
			}
			all = append(all, got...)
		}
		return all, nil
	}
	return m
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
