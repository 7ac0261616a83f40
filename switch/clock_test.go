package vswitch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"weft/fib"
	"weft/frame"
	vswitch "weft/switch"
)

// Whatever the clock did while there were no frames, the first one and those
// after it are dated right.
func TestFramesAfterARestAreDatedRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go r.sw.Run(t.Context())
		a := r.ports("a")[0]
		for _, pause := range []time.Duration{10*time.Second + 150*time.Millisecond, 2500 * time.Millisecond, time.Hour + 90*time.Millisecond} {
			time.Sleep(pause)
			if n := changes(r.sw, 2*time.Second); n > 3 {
				t.Errorf("after %v without frames the clock is set %d times in 2 s", pause, n)
			}
			a.send(eth(frame.Broadcast, mac(1)))
			const since = 700 * time.Millisecond
			time.Sleep(since)
			synctest.Wait()
			list, err := r.sw.Entries("blue")
			r.must(err)
			if len(list) != 1 || (list[0].Age-since).Abs() > fib.TickLength {
				t.Errorf("%v after a frame entries are %+v, want one of that age", since, list)
			}
		}
	})
}

// changes is how often the clock of a switch is set within a time.
func changes(sw *vswitch.Switch, within time.Duration) (n int) {
	const step = fib.TickLength / 2
	last := sw.Tick()
	for range within / step {
		time.Sleep(step)
		synctest.Wait()
		if now := sw.Tick(); now != last {
			last = now
			n++
		}
	}
	return n
}

func TestClockGoesOnWhileFramesCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go r.sw.Run(t.Context())
		a := r.ports("a")[0]
		start := time.Now()
		for range 100 {
			a.send(eth(frame.Broadcast, mac(1)))
			time.Sleep(70 * time.Millisecond)
			synctest.Wait()
			if got, want := r.sw.Tick(), fib.Tick(time.Since(start)/fib.TickLength); got != want {
				t.Fatalf("the clock shows %d, want %d", got, want)
			}
		}
	})
}
