package poll

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A timer is called at its time, not before, whether the loop sleeps or looks,
// and the last time set is the one that counts.
func TestTimer(t *testing.T) {
	for name, o := range map[string]Options{"looking": {}, "sleeping": {NoSpin: true}} {
		t.Run(name, func(t *testing.T) {
			l := runLoop(t, o)
			fired := make(chan time.Time, 10)
			timer := l.NewTimer(func() { fired <- time.Now() })
			for _, d := range []time.Duration{20 * time.Millisecond, time.Millisecond, 0, -time.Second} {
				asleep(t, l)
				at := time.Now().Add(d)
				timer.Set(at)
				if got := await(t, fired, d.String()); got.Before(at) {
					t.Errorf("%v: called %v early", d, at.Sub(got))
				}
			}
			// Later and sooner than the loop sleeps for.
			timer.Set(time.Now().Add(time.Hour))
			asleep(t, l)
			timer.Set(time.Now().Add(10 * time.Millisecond))
			await(t, fired, "an earlier time")
			timer.Set(time.Now())
			await(t, fired, "at once")
			if len(fired) > 0 {
				t.Error("called more often than set")
			}
		})
	}
}

// asleep waits until the loop goes to sleep.
func asleep(t *testing.T, l *Loop) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.timers.asleep.Load() == awake; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the loop does not sleep")
		}
	}
}

// Timers are called in the order of their times.
func TestTimerOrder(t *testing.T) {
	l := runLoop(t, Options{})
	const n = 50
	order := make(chan int, n)
	at := time.Now().Add(20 * time.Millisecond)
	for i := range n {
		k := i * 17 % n
		l.NewTimer(func() { order <- k }).Set(at.Add(time.Duration(k) * 10 * time.Microsecond))
	}
	for i := range n {
		if got := await(t, order, "timers"); got != i {
			t.Fatalf("timer %d at place %d", got, i)
		}
	}
}

// After Stop nothing is running and nothing comes.
func TestTimerStop(t *testing.T) {
	l := runLoop(t, Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	var over atomic.Bool
	timer := l.NewTimer(func() {
		entered <- struct{}{}
		<-leave
		over.Store(true)
	})
	timer.Set(time.Now())
	await(t, entered, "the call")
	timer.Set(time.Now()) // taken back
	stopped := make(chan struct{})
	go func() {
		timer.Stop()
		if !over.Load() {
			t.Error("Stop returned during the call")
		}
		close(stopped)
	}()
	for set := true; set; time.Sleep(time.Millisecond) {
		timer.of.mu.Lock()
		set = timer.place >= 0
		timer.of.mu.Unlock()
	}
	close(leave)
	await(t, stopped, "Stop")

	other := make(chan struct{})
	l.NewTimer(func() { close(other) }).Set(time.Now())
	await(t, other, "another timer")
	select {
	case <-entered:
		t.Error("called after Stop")
	default:
	}
	timer.Stop() // nothing to take back
}

// A timer that always sets itself again keeps no queue from its turns, and a
// queue that always has more no timer.
func TestTimerBesideQueues(t *testing.T) {
	l := runLoop(t, Options{})
	r, w := pipe(t)
	var calls, turns atomic.Int64
	var timer *Timer
	timer = l.NewTimer(func() {
		calls.Add(1)
		timer.Set(time.Time{})
	})
	turn := func() (bool, error) {
		turns.Add(1)
		return true, nil
	}
	ended := serve(l, r, turn)
	write(t, w)
	timer.Set(time.Now())
	deadline := time.Now().Add(10 * time.Second)
	for calls.Load() < 1000 || turns.Load() < 1000 {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls, %d turns", calls.Load(), turns.Load())
		}
		time.Sleep(time.Millisecond)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, ended, "the queue's end"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed queue ends with %v", err)
	}
}

func TestTimerAllocs(t *testing.T) {
	l, err := NewLoop(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.wake.close()
	timers := make([]*Timer, 100)
	for i := range timers {
		timers[i] = l.NewTimer(func() {})
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, timer := range timers {
			timer.Set(start)
		}
		l.timers.run()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTimer is a timer that the loop's own thread sets, as for a frame on
// an impaired link.
func BenchmarkTimer(b *testing.B) {
	l, err := NewLoop(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.wake.close()
	for range 100 {
		l.NewTimer(func() {}).Set(time.Now().Add(time.Hour))
	}
	timer := l.NewTimer(func() {})
	for b.Loop() {
		timer.Set(start)
		l.timers.run()
	}
}

// BenchmarkNoTimer is what timers cost a loop that has none.
func BenchmarkNoTimer(b *testing.B) {
	l, err := NewLoop(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.wake.close()
	for b.Loop() {
		l.timers.run()
	}
}

// A wait with a limit ends, and not before it.
func TestWaitEnds(t *testing.T) {
	e, err := newEvent()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	set := []unix.PollFd{{Fd: int32(e.fd.fd), Events: unix.POLLIN}}
	began := time.Now()
	if n, err := wait(set, 2*time.Millisecond); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if d := time.Since(began); d < 2*time.Millisecond {
		t.Errorf("it ended after %v", d)
	}
}
