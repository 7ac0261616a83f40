package perf

import (
	"context"
	"fmt"

	"weft/perf/load"
	"weft/perf/report"
)

// pattern is how TCP connections are arranged.
type pattern struct {
	key, title string
	streams    int
	back       bool // from B to A
}

// patterns: the first is also of the quick form.
var patterns = []pattern{
	{"tcp1", "one stream", 1, false},
	{"tcp1_back", "one stream, B to A", 1, true},
	{"tcp8", "eight streams", 8, false},
	{"tcp8_back", "eight streams, B to A", 8, true},
}

// goodput measures a pattern, in Gbit/s.
type goodput func(context.Context, *bench, pattern) (float64, error)

// plain is the goodput of our own sender, which writes 256 KiB at a time and
// does nothing else.
func plain(ctx context.Context, b *bench, p pattern) (float64, error) {
	from, to := b.ends(p)
	bps, err := load.TCP(ctx, from, to, p.streams, b.tcp)
	return bps / 1e9, err
}

// ends are the clients that send and receive.
func (b *bench) ends(p pattern) (from, to load.End) {
	if p.back {
		return b.b, b.a
	}
	return b.a, b.b
}

// tcp is the measure of the first of the patterns or, in the full form, of all,
// and of the processor time that a gigabit of the first takes, over the whole
// machine. prefix begins the keys; how tells who sends.
func tcp(m measure, prefix, group, how string, with goodput, patterns []pattern, targets []report.Target) measure {
	for i, p := range patterns {
		q := report.Quantity{Key: prefix + p.key, Title: fmt.Sprintf("TCP, %s%s", p.title, how), Unit: "Gbit/s", Group: group}
		if i > 0 {
			m.more = append(m.more, q)
			continue
		}
		q.Targets = targets
		m.gives = append(m.gives, q, report.Quantity{
			Key: q.Key + "_cpu", Title: fmt.Sprintf("CPU for %s%s, whole machine", p.title, how), Unit: "s/Gbit", Lower: true, Group: group + "_cpu",
		})
	}
	m.run = func(ctx context.Context, b *bench) (all []figure, err error) {
		for i, p := range patterns {
			if i > 0 && b.brief {
				break
			}
			cpu, err := load.StartCPU()
			if err != nil {
				return nil, err
			}
			gbps, err := with(ctx, b, p)
			if err == nil && gbps == 0 {
				err = fmt.Errorf("TCP, %s: connected, then nothing arrived", p.title)
			}
			if err != nil {
				return nil, err
			}
			all = append(all, figure{value: gbps})
			if i > 0 {
				continue
			}
			use, err := cpu.Stop()
			if err != nil {
				return nil, err
			}
			// The warm-up is in the time and so, at the same speed, in the bits.
			all = append(all, figure{value: use.Busy / (gbps * use.Elapsed.Seconds())})
		}
		return all, nil
	}
	return m
}
