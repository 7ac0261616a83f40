package frame

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	var b Buf
	b.Set(make([]byte, 54+3000), 0)
	b.Offload = Offload{GSO: GSOTCPv4, HdrLen: 54, GSOSize: 1000}

	var c Counters
	var tally Tally
	tally.Sent(&b)
	tally.Drop(DropTooBig, &b)
	tally.DropN(DropMalformed, 2)
	if tally.Frames != 3 || tally.Bytes != 3*1054 || tally.Drops[DropTooBig] != 3 {
		t.Errorf("superframe of three: %+v", tally)
	}
	c.AddRx(&tally)
	if tally != (Tally{}) {
		t.Errorf("AddRx left %+v", tally)
	}
	c.AddRx(&tally) // nothing to add

	b.Offload = Offload{}
	tally.Sent(&b)
	c.AddTx(&tally)
	if tally != (Tally{}) {
		t.Errorf("AddTx left %+v", tally)
	}
	tally.Drop(DropQueueFull, &b) // drops alone
	c.AddTx(&tally)
	c.Drop(DropQueueFull, 10)

	want := Stats{RxFrames: 3, RxBytes: 3162, TxFrames: 1, TxBytes: 3054}
	want.Drops[DropTooBig], want.Drops[DropMalformed], want.Drops[DropQueueFull] = 3, 2, 11
	got := c.Load()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
	wantMap := map[string]uint64{"too_big": 3, "malformed": 2, "queue_full": 11}
	if d := cmp.Diff(wantMap, got.DropMap()); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}

	got.Add(want)
	if got.RxFrames != 6 || got.RxBytes != 6324 || got.TxFrames != 2 || got.TxBytes != 6108 || got.Drops[DropQueueFull] != 22 {
		t.Errorf("sum %+v", got)
	}
	if m := new(Stats).DropMap(); m == nil || len(m) != 0 {
		t.Errorf("DropMap of nothing is %v", m)
	}
}

func TestCountersConcurrently(t *testing.T) {
	const workers, batches = 4, 500
	var c Counters
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var b Buf
			b.Set(make([]byte, 100), 0)
			var tally Tally
			for range batches {
				tally.Sent(&b)
				tally.Drop(DropSamePort, &b)
				c.AddRx(&tally)
				tally.Sent(&b)
				c.AddTx(&tally)
				c.Drop(DropPortDown, 1)
				c.Load()
			}
		})
	}
	wg.Wait()
	const n = workers * batches
	want := Stats{RxFrames: n, RxBytes: 100 * n, TxFrames: n, TxBytes: 100 * n}
	want.Drops[DropSamePort], want.Drops[DropPortDown] = n, n
	if d := cmp.Diff(want, c.Load()); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
}

func TestCountersAllocs(t *testing.T) {
	var c Counters
	var tally Tally
	var b Buf
	b.Set(make([]byte, 100), 0)
	if n := testing.AllocsPerRun(50, func() {
		tally.Sent(&b)
		tally.Drop(DropTooBig, &b)
		c.AddRx(&tally)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
