package perf

import (
	"context"
	"fmt"
	"strings"

	"weft/perf/load"
	"weft/perf/report"
)

// fcs is counted in the length of a frame by RFC 2544 and is not in its bytes
// here.
const fcs = 4

// traffic is a pattern of frames that searches for a rate are made of.
type traffic struct {
	size  int // as RFC 2544 counts, in bytes
	both  bool
	ports int // clients on each side; the n-th of A sends to the n-th of B
}

// key names what is measured: "64", "1400_both", "64_ports10".
func (t traffic) key() string {
	k := fmt.Sprint(t.size)
	if t.ports > 1 {
		k += fmt.Sprintf("_ports%d", t.ports)
	}
	if t.both {
		k += "_both"
	}
	return k
}

func (t traffic) title() string {
	title := fmt.Sprintf("%d B frames", t.size)
	if t.both {
		title += " each way"
	}
	if t.ports > 1 {
		title += fmt.Sprintf(", %d ports a side", t.ports)
	}
	return title
}

func (t traffic) blast(b *bench) load.Blast {
	blast := load.Blast{From: b.a, To: b.b, FrameLen: t.size - fcs, Bidirectional: t.both}
	for i := 1; i < t.ports; i++ {
		blast.More = append(blast.More, load.Pair{From: b.as[i], To: b.bs[i]})
	}
	return blast
}

// rates is the measure of the highest rates of a traffic, between two hosts:
// with little loss (PDR) and, in the full form, with none (NDR).
func rates(m measure, t traffic, group string, targets []report.Target) measure {
	pdr, ndr := m.name, strings.Replace(m.name, "pdr", "ndr", 1)
	m.frames, m.ports = true, t.ports
	m.gives = []report.Quantity{{Key: pdr, Title: t.title() + ", loss ≤ 0.5 %", Unit: "kframes/s", Group: group, Targets: targets}}
	m.more = []report.Quantity{{Key: ndr, Title: t.title() + ", no loss", Unit: "kframes/s", Group: group}}
	m.run = func(ctx context.Context, b *bench) ([]figure, error) {
		partial, err := b.highest(ctx, pdr, t.blast(b), partialLoss)
		if err != nil || b.brief {
			return []figure{partial}, err
		}
		none, err := b.lossless(ctx, pdr, ndr, t.blast(b))
		return []figure{partial, none}, err
	}
	return m
}

// lossless gives the highest rate without loss, below the one with little loss
// that pdr names and with the same number of senders.
func (b *bench) lossless(ctx context.Context, pdr, ndr string, blast load.Blast) (figure, error) {
	n, most := b.found.best(pdr)
	s := search{ndr, n}
	blast.Senders = n
	rate, err := b.find(ctx, blast, max(0, b.grant), b.found[s], most)
	if err != nil {
		return figure{}, err
	}
	b.found[s] = rate
	return figure{value: rate / 1e3, setting: settingOf(n)}, nil
}
