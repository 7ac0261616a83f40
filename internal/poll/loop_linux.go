package poll

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Turn reads a queue once, without waiting, and deals with what it gave. It
// reports whether there may be more that poll(2) does not tell of. An error
// ends the queue's service.
type Turn func() (more bool, err error)

// start is when the clock of [now] begins.
var start = time.Now()

// now is a monotonic clock.
func now() time.Duration { return time.Since(start) }

// giveWay is how long a loop goes on without giving way to other goroutines.
// The runtime takes the processor from a thread in a system call when its
// goroutine has not been scheduled for 10 ms, and that costs more than the frame
// which ends the call. To be scheduled wakes another thread and costs as much as
// a frame, so it is not done for each one.
const giveWay = 8 * time.Millisecond

// queue is a descriptor that the loop serves.
type queue struct {
	fd   *FD
	turn Turn
	more bool
	done chan error
}

// Options say how a loop waits.
type Options struct {
	// NoSpin has it sleep as soon as there is nothing to do.
	NoSpin bool
}

// Loop is a thread that serves any number of queues in turn, a read each.
type Loop struct {
	options Options
	wake    *event

	mu     sync.Mutex // guards what follows
	joined []*queue
	closed bool

	// What the thread alone uses: set[0] is wake, set[i+1] queues[i].
	queues []*queue
	set    []unix.PollFd
	spin   Spinner
	gave   time.Duration // when the loop last gave way

	timers timers
}

// NewLoop gives a loop; Run is to be called.
func NewLoop(o Options) (*Loop, error) {
	wake, err := newEvent()
	if err != nil {
		return nil, err
	}
	l := &Loop{options: o, wake: wake, set: []unix.PollFd{{Fd: int32(wake.fd.fd), Events: unix.POLLIN}}}
	l.timers.init(wake)
	return l, nil
}

// Serve has the loop's thread take turns with the queue whenever f can be read,
// until a turn fails or f or the loop is closed (os.ErrClosed). When it returns
// no turn is under way.
func (l *Loop) Serve(f *FD, turn Turn) error {
	q := &queue{fd: f, turn: turn, done: make(chan error, 1)}
	if _, ok := f.Use(); !ok {
		return os.ErrClosed
	}
	defer f.Done()
	f.waiter.Store(l.wake)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return os.ErrClosed
	}
	l.joined = append(l.joined, q)
	l.mu.Unlock()
	l.wake.signal()
	return <-q.done
}

// Close ends Run and every Serve.
func (l *Loop) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake.signal()
}

// Run serves until Close. What sleeps in the kernel is woken by the kernel, with
// no other thread between.
func (l *Loop) Run() error {
	defer l.wake.close()
	more := false
	for {
		ready := 0
		if more || l.spin.Worth() || l.timers.due() {
			ready = look(l.set)
		}
		if ready == 0 && !more && !l.timers.due() {
			var err error
			if ready, err = l.pause(); err != nil {
				l.end(err)
				return err
			}
		}
		if l.set[0].Revents != 0 && l.change() {
			l.end(os.ErrClosed)
			return nil
		}
		l.timers.run()
		if ready == 0 && !more {
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // others may have use for the processor
			continue
		}
		if l.spin.Pausing() {
			l.spin.Found(now())
		}
		more = l.serve()
	}
}

// pause sleeps until there is something to do, unless it is better to look
// again. It gives how many descriptors there is something of.
func (l *Loop) pause() (ready int, err error) {
	t := now()
	if l.spin.Again(t) && !l.options.NoSpin {
		return 0, nil
	}
	if t-l.gave >= giveWay {
		l.gave = t
		runtime.Gosched()
	}
	ready, err = wait(l.set, l.timers.sleeps())
	l.timers.wakes()
	return ready, err
}

// serve gives a turn to each queue that has something to read, and reports
// whether one may have more.
func (l *Loop) serve() (more bool) {
	for i := 0; i < len(l.queues); i++ {
		q := l.queues[i]
		if !q.more && l.set[i+1].Revents == 0 {
			continue
		}
		var err error
		if q.more, err = q.turn(); err != nil {
			l.remove(i, err)
			i--
			continue
		}
		more = more || q.more
		l.timers.run() // a round of many busy queues is long
	}
	return more
}

// change lets in who came and takes out what was closed. It reports whether the
// loop is closed.
func (l *Loop) change() (closed bool) {
	l.wake.clear()
	l.set[0].Revents = 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.joined {
		l.queues = append(l.queues, q)
		l.set = append(l.set, unix.PollFd{Fd: int32(q.fd.fd), Events: unix.POLLIN})
	}
	l.joined = nil
	for i, q := range slices.Backward(l.queues) {
		if q.fd.closed() {
			l.remove(i, os.ErrClosed)
		}
	}
	return l.closed
}

// remove ends the service of a queue.
func (l *Loop) remove(i int, err error) {
	l.queues[i].done <- err
	l.queues = slices.Delete(l.queues, i, i+1)
	l.set = slices.Delete(l.set, i+1, i+2)
}

// end ends the service of every queue.
func (l *Loop) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.queues = append(l.queues, l.joined...)
	l.joined = nil
	for _, q := range l.queues {
		q.done <- err
	}
	l.queues, l.set = nil, nil
}
