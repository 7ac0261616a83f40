package main

import (
	"fmt"
	"sync"
	"time"

	"weft/frame"
	"weft/impair"
)

// meter is a port that reads the clock.
type meter struct {
	mu          sync.Mutex // guards what follows
	delays      []time.Duration
	bytes       int
	first, last time.Time
}

func (m *meter) NewTx() impair.Tx { return m }

func (m *meter) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.first.IsZero() {
		m.first = now
	}
	m.last = now
	for _, b := range bufs {
		sent, _ := read(b.Head())
		m.delays = append(m.delays, time.Duration(now.UnixNano()-sent))
		m.bytes += b.Len()
		t.Sent(b)
	}
}

func newFrame(size int) *frame.Buf {
	b := new(frame.Buf)
	b.Set(make([]byte, frame.Headroom+size), frame.Headroom)
	return b
}

// through sends n frames in turn over links in memory.
func through(s impair.Spec, links, n, rate, size int) (*meter, frame.Tally) {
	m := &meter{delays: make([]time.Duration, 0, n)}
	var all []*impair.Outbound
	var txs []impair.Tx
	for range links {
		link := impair.NewOutbound(m, s, newTimer)
		all, txs = append(all, link), append(txs, link.NewTx())
	}
	b := newFrame(size)
	var t frame.Tally
	pace(n, rate, func(i int) {
		stamp(b.Head(), i)
		txs[i%links].WriteBatch([]*frame.Buf{b}, &t)
	})
	time.Sleep(s.Delay + 300*time.Millisecond) // 100 frames at 10 Mb/s are 121 ms
	for _, link := range all {
		link.Finish()
	}
	return m, t
}

func inMemory(r *report) {
	const part = "in memory"
	spec := impair.Spec{Delay: 20 * time.Millisecond}
	for _, c := range []struct{ links, rate int }{{1, 1000}, {1, 10000}, {1, 50000}, {100, 50000}} {
		what := fmt.Sprintf("delay 20ms, %d frames/s", c.rate)
		if c.links > 1 {
			what = fmt.Sprintf("delay 20ms, %d links, %d frames/s each", c.links, c.rate/c.links)
		}
		r.begin(part, what, 3*time.Second)
		load := observe(0)
		m, _ := through(spec, c.links, 3*c.rate, c.rate, 128)
		row := delayRow(what, m.delays, 3*c.rate, spec.Delay, true)
		row.Busy = load.since()
		r.add(row)
	}
	for _, share := range []float64{0.001, 0.01, 0.1} {
		const n = 400_000
		what := fmt.Sprintf("loss %g%%", share*100)
		r.begin(part, what, time.Second)
		_, t := through(impair.Spec{Loss: impair.Share(share)}, 1, n, n, 128)
		r.add(lossRow(what, n, int(t.Drops[frame.DropLinkLoss]), share))
	}
	for _, rate := range []impair.Rate{10_000_000, 100_000_000, 1_000_000_000} {
		const size = 1514
		perSecond := 2 * int(rate) / 8 / size
		what := fmt.Sprintf("rate %v, sent twice that", rate)
		r.begin(part, what, 2*time.Second)
		m, _ := through(impair.Spec{Rate: rate, Limit: 100}, 1, 2*perSecond, perSecond, size)
		// The first frame's own time is before the first arrival.
		r.add(rateRow(what, float64(m.bytes-size)*8/m.last.Sub(m.first).Seconds(), float64(rate)))
	}
}
