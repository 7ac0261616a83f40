package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"weft/frame"
	"weft/impair"
)

// meter is a port that reads the clock.
type meter struct {
	delays
	bytes       atomic.Int64
	first, last atomic.Int64
}

func (m *meter) NewTx() impair.Tx { return m }

func (m *meter) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	now := int64(time.Since(epoch))
	m.first.CompareAndSwap(0, now)
	m.last.Store(now)
	for _, b := range bufs {
		m.bytes.Add(int64(b.Len()))
		m.add(age(b.Head()))
		t.Sent(b)
	}
}

func newFrame(size int) *frame.Buf {
	b := new(frame.Buf)
	b.Set(make([]byte, frame.Headroom+size), frame.Headroom)
	return b
}

// through sends n frames over a link in memory.
func through(s impair.Spec, n, rate, size int) (*meter, frame.Tally) {
	m := new(meter)
	link := impair.NewOutbound(m, s, newTimer)
	tx, b := link.NewTx(), newFrame(size)
	var t frame.Tally
	pace(n, rate, func(int) {
		stamp(b.Head())
		tx.WriteBatch([]*frame.Buf{b}, &t)
	})
	time.Sleep(s.Delay + 300*time.Millisecond) // 100 frames at 10 Mb/s are 121 ms
	link.Finish()
	return m, t
}

func inMemory() error {
	fmt.Println("in memory, delay 20ms")
	spec := impair.Spec{Delay: 20 * time.Millisecond}
	for _, rate := range []int{1000, 10000, 50000} {
		m, _ := through(spec, 3*rate, rate, 128)
		m.print(fmt.Sprintf("%d frames/s", rate), 3*rate, spec.Delay)
	}
	if err := hundredInMemory(spec); err != nil {
		return err
	}
	fmt.Println("in memory, loss")
	for _, share := range []float64{0.001, 0.01, 0.1} {
		const n = 400_000
		_, t := through(impair.Spec{Loss: impair.Share(share)}, n, 400_000, 128)
		printLoss(fmt.Sprintf("loss %g%%", share*100), n, int(t.Drops[frame.DropLinkLoss]), share)
	}
	fmt.Println("in memory, rate, twice of which is sent")
	for _, rate := range []impair.Rate{10_000_000, 100_000_000, 1_000_000_000} {
		const size = 1514
		perSecond := 2 * int(rate) / 8 / size
		m, _ := through(impair.Spec{Rate: rate, Limit: 100}, 2*perSecond, perSecond, size)
		// The first frame's own time is before the first arrival.
		got := float64(m.bytes.Load()-size) * 8 / time.Duration(m.last.Load()-m.first.Load()).Seconds()
		fmt.Printf("  %-34s %.4g bit/s, off by %+.2f %%\n", rate, got, (got/float64(rate)-1)*100)
	}
	return nil
}

// hundredInMemory runs a hundred links with 500 frames a second each.
func hundredInMemory(spec impair.Spec) error {
	const links, each, seconds = 100, 500, 3
	m := new(meter)
	txs := make([]impair.Tx, links)
	var running sync.WaitGroup
	for i := range txs {
		link := impair.NewOutbound(m, spec, newTimer)
		defer link.Close()
		txs[i] = link.NewTx()
	}
	running.Go(func() {
		b := newFrame(128)
		var t frame.Tally
		pace(links*each*seconds, links*each, func(i int) {
			stamp(b.Head())
			txs[i%links].WriteBatch([]*frame.Buf{b}, &t)
		})
	})
	running.Wait()
	time.Sleep(spec.Delay + 100*time.Millisecond)
	m.print("100 links, 500 frames/s each", links*each*seconds, spec.Delay)
	return nil
}
