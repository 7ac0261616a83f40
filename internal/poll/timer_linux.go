package poll

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// never is the time of a timer that is not set.
	never = math.MaxInt64
	// awake is what a thread that does not sleep sleeps until: nothing is earlier.
	awake = math.MinInt64
)

// Timer has its loop's thread call a function when a time has come, between two
// turns of its queues. A loop without timers never looks at the clock for them.
type Timer struct {
	of    *timers
	fire  func()
	at    int64 // guarded by of.mu
	place int   // in the heap, -1 while it is not set; guarded by of.mu

	// running is held while fire runs. The thread takes it with of.mu held, so
	// that Stop sees every call that is not taken back.
	running sync.Mutex
}

// NewTimer gives a timer that is not set. fire must not wait for anything.
func (l *Loop) NewTimer(fire func()) *Timer {
	return &Timer{of: &l.timers, fire: fire, at: never, place: -1}
}

// Set has fire called once at the time, which takes the place of the one set
// before. A time that has passed is now. After the loop's end nothing is called.
func (t *Timer) Set(at time.Time) {
	s := t.of
	s.mu.Lock()
	defer s.mu.Unlock()
	t.at = max(int64(at.Sub(start)), int64(now())) // so that run calls it once
	if t.place < 0 {
		heap.Push(&s.heap, t)
	} else {
		heap.Fix(&s.heap, t.place)
	}
	s.publish()
	if s.next.Load() < s.asleep.Load() {
		s.wake.signal()
	}
}

// Stop takes back what was set. When it returns fire is not running. fire itself
// must not call it.
func (t *Timer) Stop() {
	s := t.of
	s.mu.Lock()
	if t.place >= 0 {
		heap.Remove(&s.heap, t.place)
		s.publish()
	}
	s.mu.Unlock()
	t.running.Lock()
	t.running.Unlock() //nolint:staticcheck // to have waited is all that is wanted
}

// timers are those of a loop. Times are in nanoseconds by the clock of [now].
type timers struct {
	wake *event

	mu   sync.Mutex // guards heap, and writing next
	heap timerHeap

	next   atomic.Int64 // the earliest time set
	asleep atomic.Int64 // until when the thread sleeps at most; it alone writes
}

func (s *timers) init(wake *event) {
	s.wake = wake
	s.next.Store(never)
	s.asleep.Store(awake)
}

// publish tells the thread of the earliest time. Callers hold mu.
func (s *timers) publish() {
	next := int64(never)
	if len(s.heap) > 0 {
		next = s.heap[0].at
	}
	s.next.Store(next)
}

// due reports whether a time has come.
func (s *timers) due() bool {
	next := s.next.Load()
	return next != never && next <= int64(now())
}

// run calls what is due, each timer once: one that sets itself to now waits for
// another round, so that queues have their turns between.
func (s *timers) run() {
	if !s.due() {
		return
	}
	s.mu.Lock()
	until := int64(now())
	for len(s.heap) > 0 && s.heap[0].at < until {
		t := s.heap[0]
		heap.Pop(&s.heap)
		s.publish()
		t.running.Lock()
		s.mu.Unlock()
		t.fire()
		t.running.Unlock()
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// sleeps notes that the thread goes to sleep, and gives for how long at most.
// Whoever sets an earlier time from here on wakes it.
func (s *timers) sleeps() time.Duration {
	s.asleep.Store(never) // a time that is set after the next line is seen by its setter
	next := s.next.Load()
	s.asleep.Store(next)
	if next == never {
		return forever
	}
	return max(0, time.Duration(next)-now())
}

func (s *timers) wakes() { s.asleep.Store(awake) }

// timerHeap implements [heap.Interface], the earliest time first.
type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.place = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.place = -1
	return t
}
