package poll

import (
	"os"
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

// giveWay is after how many rounds, at most, a loop lets other goroutines run. The
// runtime interrupts a goroutine that has not been scheduled for 10 ms and moves it
// to another thread, and takes the processor from a thread in a system call. Eight
// rounds are a millisecond under load.
const giveWay = 8

// queue is a descriptor that the loop serves.
type queue struct {
	fd    *FD
	turn  Turn
	more  bool // than the descriptor tells of
	ready bool // as the crowd has marked it
	done  chan error
}

// The places in a loop's set that are not queues'.
const (
	wakePlace  = iota
	crowdPlace // -1 as the descriptor, which poll(2) passes over, until there is a crowd
	apart
)

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

	// What the thread alone uses. Of queues the first are in set, from apart on,
	// and the others in the crowd.
	queues []*queue
	set    []unix.PollFd
	crowd  crowd
	spin   Spinner

	timers timers
}

// NewLoop gives a loop; Run is to be called.
func NewLoop(o Options) (*Loop, error) {
	wake, err := newEvent()
	if err != nil {
		return nil, err
	}
	l := &Loop{options: o, wake: wake, set: make([]unix.PollFd, apart)}
	l.set[wakePlace] = unix.PollFd{Fd: int32(wake.fd.fd), Events: unix.POLLIN}
	l.set[crowdPlace] = unix.PollFd{Fd: -1, Events: unix.POLLIN}
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
	defer l.crowd.close()
	more := false
	for round := 1; ; round++ {
		if round%giveWay == 0 {
			yield()
		}
		ready := 0
		if more || l.spin.Worth() || l.timers.due() {
			ready = look(l.set)
		}
		if ready == 0 && !more && !l.timers.due() {
			if l.again() {
				_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // others may have use for the processor
				continue
			}
			var err error
			if ready, err = l.sleep(); err != nil {
				l.end(err)
				return err
			}
		}
		if ready > 0 && l.set[crowdPlace].Revents != 0 {
			l.crowd.mark()
		}
		if l.set[wakePlace].Revents != 0 && l.change() {
			l.end(os.ErrClosed)
			return nil
		}
		l.timers.run()
		if ready == 0 && !more {
			continue
		}
		if l.spin.Pausing() {
			l.spin.Found(now())
		}
		more = l.serve()
	}
}

// again reports whether it is better to look again than to sleep.
func (l *Loop) again() bool { return l.spin.Again(now()) && !l.options.NoSpin }

// sleep waits until there is something to do. It gives how many descriptors
// there is something of.
func (l *Loop) sleep() (ready int, err error) {
	yield()
	ready, err = wait(l.set, l.timers.sleeps())
	l.timers.wakes()
	return ready, err
}

// serve gives a turn to each queue that has something to read, and reports
// whether one may have more.
func (l *Loop) serve() (more bool) {
	for i := 0; i < len(l.queues); i++ {
		q := l.queues[i]
		if !q.more && !l.ready(i) {
			continue
		}
		q.ready = false
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

// ready reports whether the descriptor of queue i told of something to read.
func (l *Loop) ready(i int) bool {
	if place := apart + i; place < len(l.set) {
		return l.set[place].Revents != 0
	}
	return l.queues[i].ready
}

// change lets in who came and takes out what was closed. It reports whether the
// loop is closed.
func (l *Loop) change() (closed bool) {
	l.wake.clear()
	l.set[wakePlace].Revents = 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.joined {
		l.add(q)
	}
	l.joined = nil
	for i, q := range slices.Backward(l.queues) {
		if q.fd.closed() {
			l.remove(i, os.ErrClosed)
		}
	}
	return l.closed
}

// add begins the service of a queue. Where the system refuses a crowd it has its
// place among the few.
func (l *Loop) add(q *queue) {
	polled := len(l.set) - apart
	if polled >= few && l.crowd.add(q) == nil {
		l.set[crowdPlace].Fd = int32(l.crowd.fd.fd)
		l.queues = append(l.queues, q)
		return
	}
	l.queues = slices.Insert(l.queues, polled, q)
	l.set = append(l.set, unix.PollFd{Fd: int32(q.fd.fd), Events: unix.POLLIN})
}

// remove ends the service of queue i.
func (l *Loop) remove(i int, err error) {
	q := l.queues[i]
	l.queues = slices.Delete(l.queues, i, i+1)
	if place := apart + i; place < len(l.set) {
		l.set = slices.Delete(l.set, place, place+1)
	} else {
		l.crowd.remove(q)
	}
	q.done <- err
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
