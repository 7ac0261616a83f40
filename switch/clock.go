package vswitch

import (
	"sync/atomic"
	"time"

	"weft/fib"
)

// clock is the switch's coarse time, which workers ask for once a batch. It goes
// on every [fib.TickLength] while somebody asks. After a while in which nobody
// did it rests, so that a switch without frames hardly runs; then who asks first
// sets it by the real time and has it go on.
type clock struct {
	tick atomic.Uint32 // fib.Tick
	use  atomic.Uint32
	wake chan struct{} // of one place: has a resting clock go on

	// The time by which tick is set, of the goroutine that runs the clock and,
	// while it rests, of who wakes it.
	start time.Time
	base  uint32
}

// What a clock's use is.
const (
	unused  = iota // since the last call of rest
	used           // since then
	resting        // unused for so long that it is set for ageing only
)

func newClock() clock { return clock{wake: make(chan struct{}, 1)} }

// begin has the clock go on from where it stood.
func (c *clock) begin() {
	c.use.Store(unused)
	c.start, c.base = time.Now(), c.tick.Load()
}

// now is the time, at most a tick old, or a second where another worker is about
// to wake the clock.
func (c *clock) now() fib.Tick {
	if c.use.Load() != used {
		c.ask()
	}
	return fib.Tick(c.tick.Load())
}

func (c *clock) ask() {
	if c.use.Swap(used) != resting {
		return
	}
	c.set(time.Now())
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *clock) set(now time.Time) {
	c.tick.Store(c.base + uint32(now.Sub(c.start)/fib.TickLength))
}

// rest reports whether nobody has asked since it was last called: from now on
// the clock need be set for ageing only.
func (c *clock) rest() bool {
	if c.use.CompareAndSwap(used, unused) {
		return false
	}
	return c.use.CompareAndSwap(unused, resting) || c.use.Load() == resting
}
