package impair

import (
	"sync"
	"time"
)

// Timer calls the function that it was made with when something arrives.
type Timer interface {
	// Set has it called once at the time, which takes the place of the one set
	// before. A time that has passed is now. It may be set from the call.
	Set(at time.Time)
	// Stop takes back what was set. When it returns the function is not
	// running. The function itself does not call it.
	Stop()
}

// NewTimer makes a Timer that is not set. fire is called by one goroutine at a
// time and does not wait for anything.
type NewTimer func(fire func()) Timer

// NewRuntimeTimer is a NewTimer with the timers of the runtime: portable, and as
// exact as those are, which on an idle Linux is a millisecond.
func NewRuntimeTimer(fire func()) Timer {
	t := &runtimeTimer{fire: fire}
	t.timer = time.AfterFunc(maxDelay, t.run)
	t.timer.Stop()
	return t
}

type runtimeTimer struct {
	fire  func()
	timer *time.Timer

	mu      sync.Mutex // held while fire runs; guards stopped
	stopped bool
}

func (t *runtimeTimer) Set(at time.Time) { t.timer.Reset(time.Until(at)) }

func (t *runtimeTimer) Stop() {
	t.timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
}

func (t *runtimeTimer) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.fire()
	}
}
