package impair

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weft/frame"
)

// run sends n frames of size bytes, one every gap, and gives what came of it.
func run(t *testing.T, s Spec, n, size int, gap time.Duration) (sent []time.Time, got []arrival, drops frame.Tally) {
	t.Helper()
	o, to := outbound(t, s)
	tx := o.NewTx()
	for i := range n {
		sent = append(sent, time.Now())
		tx.WriteBatch([]*frame.Buf{numbered(uint64(i), size)}, &drops)
		time.Sleep(gap)
	}
	for under := true; under; time.Sleep(time.Second) {
		o.line.mu.Lock()
		under = len(o.line.queue) > 0
		o.line.mu.Unlock()
	}
	o.Close()
	return sent, to.take(), drops
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		sent, got, drops := run(t, specOf(t, "delay", "20ms"), 1000, 100, 37*time.Microsecond)
		if len(got) != 1000 || drops != (frame.Tally{}) {
			t.Fatalf("%d frames, %+v", len(got), drops)
		}
		for i, a := range got {
			late := a.at.Sub(sent[a.number]) - 20*time.Millisecond
			if a.number != uint64(i) || late < 0 || late > grid {
				t.Fatalf("arrival %d is frame %d, %v late", i, a.number, late)
			}
		}
	})
}

// Whatever the distribution, the mean is the delay, and the spread what the
// setting says.
func TestJitter(t *testing.T) {
	const n = 40000
	for _, c := range []struct {
		distribution string
		deviation    time.Duration
	}{
		{"uniform", 1155 * time.Microsecond}, // 2 ms / sqrt 3
		{"normal", 2 * time.Millisecond},
		{"pareto", 2 * time.Millisecond},
	} {
		t.Run(c.distribution, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bubble(t)
				s := specOf(t, "delay", "20ms", "jitter", "2ms", "distribution", c.distribution, "seed", "7")
				sent, got, _ := run(t, s, n, 60, 100*time.Microsecond)
				if len(got) != n {
					t.Fatalf("%d frames", len(got))
				}
				var sum, squares float64
				least := math.Inf(1)
				for _, a := range got {
					d := a.at.Sub(sent[a.number]).Seconds() * 1e3
					sum += d
					squares += d * d
					least = min(least, d)
				}
				mean := sum / n
				deviation := math.Sqrt(squares/n - mean*mean)
				if math.Abs(mean-20) > 0.15 {
					t.Errorf("mean %.3f ms, want 20", mean)
				}
				want := c.deviation.Seconds() * 1e3
				// A Pareto of shape 3 has no fourth moment: its variance
				// comes in slowly.
				if deviation < 0.8*want || deviation > 1.2*want {
					t.Errorf("deviation %.3f ms, want %.3f", deviation, want)
				}
				if c.distribution == "uniform" && least < 18 || c.distribution == "pareto" && least < 18.8 {
					t.Errorf("one arrived after %.3f ms", least)
				}
			})
		})
	}
}

func TestLoss(t *testing.T) {
	const n = 100000
	for _, c := range []struct {
		loss, burst string
		share, mean float64
	}{
		{"1%", "", 0.01, 1 / 0.99},
		{"30%", "", 0.3, 1 / 0.7},
		{"5%", "8", 0.05, 8},
		{"100%", "", 1, n},
		{"100%", "5", 1, n},
	} {
		t.Run(c.loss+" "+c.burst, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bubble(t)
				s := specOf(t, "loss", c.loss, "seed", "1")
				if c.burst != "" {
					s = specOf(t, "loss", c.loss, "burst", c.burst, "seed", "1")
				}
				_, got, drops := run(t, s, n, 60, time.Microsecond)
				lost := float64(drops.Drops[frame.DropLinkLoss])
				if int(lost)+len(got) != n {
					t.Fatalf("%v lost and %d arrived of %d", lost, len(got), n)
				}
				// Losses in bursts are fewer independent events.
				bound := 2.58 * math.Sqrt(n*c.share*(1-c.share)*(2*c.mean-1))
				if math.Abs(lost-n*c.share) > bound {
					t.Errorf("%v of %d lost, want %v +- %.0f", lost, n, n*c.share, bound)
				}
				runs, last := 0.0, uint64(0)
				for i, a := range got {
					if i > 0 && a.number != last+1 || i == 0 && a.number != 0 {
						runs++
					}
					last = a.number
				}
				if len(got) > 0 && math.Abs(lost/runs-c.mean) > 0.15*c.mean {
					t.Errorf("bursts of %.2f, want %.2f", lost/runs, c.mean)
				}
			})
		})
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		// Twice what fits: 2 s of it, of which half a second is queued at last.
		s := specOf(t, "rate", "10mbit", "limit", "100")
		sent, got, drops := run(t, s, 3333, 1500, 600*time.Microsecond)
		if full := drops.Drops[frame.DropLinkQueueFull]; int(full)+len(got) != 3333 || full < 1400 {
			t.Fatalf("%d arrived, %d found the queue full", len(got), full)
		}
		span := got[len(got)-1].at.Sub(got[0].at).Seconds()
		if rate := float64(len(got)-1) * 1500 * 8 / span; math.Abs(rate-10e6) > 0.001*10e6 {
			t.Errorf("%.0f bit/s", rate)
		}
		// A hundred frames wait before one that just fits in: 1.2 ms each.
		longest := time.Duration(0)
		for _, a := range got {
			longest = max(longest, a.at.Sub(sent[a.number]))
		}
		if want := 101 * 1200 * time.Microsecond; longest < want-time.Millisecond || longest > want+2*time.Millisecond {
			t.Errorf("the longest wait is %v, want %v", longest, want)
		}
	})
}

func TestDuplicateReorderCorrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		const n = 20000
		near := func(what string, got int, share float64) {
			t.Helper()
			if bound := 2.58 * math.Sqrt(n*share*(1-share)); math.Abs(float64(got)-n*share) > bound {
				t.Errorf("%d of %d %s, want %v +- %.0f", got, n, what, n*share, bound)
			}
		}

		_, got, _ := run(t, specOf(t, "duplicate", "5%", "seed", "3"), n, 60, time.Microsecond)
		near("came twice", len(got)-n, 0.05)

		_, got, _ = run(t, specOf(t, "delay", "1ms", "reorder", "2%", "seed", "3"), n, 60, 200*time.Microsecond)
		early := 0
		for i, a := range got {
			if i > 0 && got[i-1].number > a.number+1 {
				continue // the one that was overtaken
			}
			if i+1 < len(got) && a.number > got[i+1].number {
				early++
			}
		}
		near("overtook", early, 0.02)

		_, got, _ = run(t, specOf(t, "corrupt", "10%", "seed", "3"), n, 64, time.Microsecond)
		changed := 0
		for i, a := range got {
			want := numbered(uint64(i), 64).Head()
			flipped := 0
			for at := range want {
				flipped += bits.OnesCount8(want[at] ^ a.data[at])
			}
			if flipped > 1 || !bytes.Equal(a.data[:14], want[:14]) {
				t.Fatalf("frame %d: %x", i, a.data)
			}
			changed += flipped
		}
		near("were corrupted", changed, 0.10)
	})
}

// The n-th frame fares the same for the same seed, whatever else is set.
func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		fate := func(pairs ...string) []uint64 {
			_, got, _ := run(t, specOf(t, pairs...), 2000, 60, time.Microsecond)
			var numbers []uint64
			for _, a := range got {
				numbers = append(numbers, a.number)
			}
			slices.Sort(numbers)
			return numbers
		}
		a := fate("loss", "10%", "seed", "7")
		if b := fate("loss", "10%", "seed", "7", "delay", "3ms", "jitter", "1ms", "reorder", "5%"); !slices.Equal(a, b) {
			t.Error("other conditions changed which frames are lost")
		}
		if b := fate("loss", "10%", "seed", "8"); slices.Equal(a, b) {
			t.Error("another seed lost the same frames")
		}
		if b := fate("loss", "10%"); slices.Equal(a, b) || slices.Equal(b, fate("loss", "10%")) {
			t.Error("without a seed the same frames are lost again")
		}
	})
}

// superframe is TCP over IPv4 with segments of 1000 bytes.
func superframe(payload int) *frame.Buf {
	b := numbered(0, 54+payload)
	h := b.Head()
	h[12], h[13] = 8, 0
	copy(h[14:], []byte{0x45, 0, byte((40 + payload) >> 8), byte(40 + payload), 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	copy(h[34:], []byte{0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0})
	b.Offload = frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: 54, GSOSize: 1000}
	return b
}

func TestSuperframes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		for _, c := range []struct {
			spec   Spec
			frames int
			gso    frame.GSO
		}{
			{specOf(t, "delay", "5ms"), 1, frame.GSOTCPv4},
			{specOf(t, "rate", "8mbit"), 40, frame.GSONone},
			{specOf(t, "rate", "8mbit", "limit", "9"), 10, frame.GSONone},
			{specOf(t, "loss", "50%", "seed", "5"), 0, frame.GSONone},
			{specOf(t, "delay", "5ms", "jitter", "1ms"), 40, frame.GSONone},
		} {
			o, to := outbound(t, c.spec)
			var drops frame.Tally
			began := time.Now()
			o.NewTx().WriteBatch([]*frame.Buf{superframe(40000)}, &drops)
			time.Sleep(time.Second)
			got := to.take()
			o.Close()
			var dropped uint64
			for _, n := range drops.Drops {
				dropped += n
			}
			switch {
			case c.frames == 0 && (len(got) < 10 || len(got) > 30):
				t.Errorf("%v: %d frames of 40 arrived", c.spec, len(got))
			case c.frames != 0 && len(got) != c.frames:
				t.Errorf("%v: %d frames, want %d", c.spec, len(got), c.frames)
			case c.frames != 1 && len(got)+int(dropped) != 40:
				t.Errorf("%v: %d frames and %d drops", c.spec, len(got), dropped)
			case got[0].gso != c.gso:
				t.Errorf("%v: GSO %v", c.spec, got[0].gso)
			case c.spec.Rate != 0:
				// A segment of 1054 bytes is 1.054 ms on this link.
				last := got[len(got)-1].at.Sub(began)
				if want := time.Duration(len(got)) * 1054 * time.Microsecond; last < want || last > want+2*grid {
					t.Errorf("%v: the last segment after %v, want %v", c.spec, last, want)
				}
			}
		}
	})
}

// A superframe whose metadata is wrong is a drop.
func TestMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		o, to := outbound(t, specOf(t, "loss", "1%"))
		b := superframe(3000)
		b.Offload.HdrLen = 3
		var drops frame.Tally
		o.NewTx().WriteBatch([]*frame.Buf{b}, &drops)
		synctest.Wait()
		if drops.Drops[frame.DropMalformed] == 0 || len(to.take()) != 0 {
			t.Errorf("%+v", drops)
		}
		o.Close()
	})
}

// Changing the conditions keeps what is on its way.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		o, to := outbound(t, specOf(t, "delay", "1s"))
		tx := o.NewTx()
		var drops frame.Tally
		send := func(from, n uint64) {
			for i := range n {
				tx.WriteBatch([]*frame.Buf{numbered(from+i, 1250)}, &drops)
			}
		}
		expect := func(what string, from, n uint64) {
			t.Helper()
			got := to.take()
			if uint64(len(got)) != n {
				t.Fatalf("%s: %d frames, want %d", what, len(got), n)
			}
			for i, a := range got {
				if a.number != from+uint64(i) {
					t.Fatalf("%s: frame %d at %d", what, a.number, i)
				}
			}
		}
		send(0, 10)
		time.Sleep(100 * time.Millisecond)
		o.Set(specOf(t, "delay", "1s", "loss", "100%"))
		send(100, 10)
		time.Sleep(899 * time.Millisecond)
		expect("before the delay is over", 0, 0)
		time.Sleep(2 * time.Millisecond)
		expect("those that were sent before the loss", 0, 10)
		if drops.Drops[frame.DropLinkLoss] != 10 {
			t.Errorf("%d lost, want those sent after the loss", drops.Drops[frame.DropLinkLoss])
		}

		o.Set(specOf(t, "delay", "10s"))
		send(200, 5)
		o.Set(specOf(t, "delay", "1ms"))
		send(205, 5)
		time.Sleep(2 * time.Millisecond)
		expect("a shorter delay holds for all", 200, 10)

		// 100 frames of 10,000 bits: 100 s of 10 kbit, 1 s of 1 mbit.
		o.Set(specOf(t, "rate", "10kbit"))
		send(300, 100)
		o.Set(specOf(t, "rate", "1mbit"))
		time.Sleep(501 * time.Millisecond)
		expect("half of them at the new rate", 300, 50)
		o.Set(Spec{})
		send(400, 10)
		synctest.Wait()
		got := to.take()
		if len(got) != 60 || got[59].number != 409 {
			t.Errorf("%d frames when the conditions were cleared, want 60", len(got))
		}
		if len(o.line.queue) != 0 || o.line.bytes != 0 {
			t.Errorf("%d frames, %d bytes left", len(o.line.queue), o.line.bytes)
		}
		o.Close()
	})
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		o, to := outbound(t, specOf(t, "delay", "1s"))
		tx := o.NewTx()
		var drops frame.Tally
		tx.WriteBatch([]*frame.Buf{numbered(0, 60), numbered(1, 60)}, &drops)
		o.SetDown(true)
		tx.WriteBatch([]*frame.Buf{superframe(3000)}, &drops)
		time.Sleep(2 * time.Second)
		if n := len(to.take()); n != 0 {
			t.Errorf("%d frames arrived over a link that is down", n)
		}
		stats := o.Stats()
		if drops.Drops[frame.DropLinkDown] != 3 || stats.Drops[frame.DropLinkDown] != 2 {
			t.Errorf("%d and %d drops, want the 3 segments and the 2 on their way",
				drops.Drops[frame.DropLinkDown], stats.Drops[frame.DropLinkDown])
		}
		o.SetDown(false)
		tx.WriteBatch([]*frame.Buf{numbered(5, 60)}, &drops)
		time.Sleep(1100 * time.Millisecond)
		if got := to.take(); len(got) != 1 || got[0].number != 5 {
			t.Errorf("%v after the link came up", got)
		}
		if s := o.Stats(); s.TxFrames != 1 || s.TxBytes != 60 {
			t.Errorf("%d frames, %d bytes counted as sent", s.TxFrames, s.TxBytes)
		}
		tx.WriteBatch([]*frame.Buf{numbered(6, 60)}, &drops)
		o.Close()
		tx.WriteBatch([]*frame.Buf{numbered(7, 60)}, &drops)
		if s := o.Stats(); s.Drops[frame.DropPortDown] != 1 || drops.Drops[frame.DropPortDown] != 1 {
			t.Errorf("%d and %d drops of a closed port", s.Drops[frame.DropPortDown], drops.Drops[frame.DropPortDown])
		}
	})
}

func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		o, to := outbound(t, specOf(t, "delay", "1h"))
		var drops frame.Tally
		for i := range uint64(200) {
			o.NewTx().WriteBatch([]*frame.Buf{numbered(i, 60)}, &drops)
		}
		o.Finish()
		if n := len(to.take()); n != 200 {
			t.Errorf("%d of 200 frames arrived", n)
		}
	})
}

// A frame's bytes are the sender's again when WriteBatch has returned.
func TestBorrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		o, to := outbound(t, specOf(t, "delay", "1ms"))
		b := numbered(1, 100)
		b.Frags = [][]byte{{1, 2}, nil, {3}}
		want := b.Flat(nil)
		var drops frame.Tally
		o.NewTx().WriteBatch([]*frame.Buf{b}, &drops)
		clear(b.Head())
		b.Frags[0][0] = 9
		time.Sleep(2 * time.Millisecond)
		if got := to.take(); len(got) != 1 || !bytes.Equal(got[0].data, want) {
			t.Errorf("%v, want %x", got, want)
		}
		o.Close()
	})
}
