package poll

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// closing, in FD.uses, refuses further uses.
const closing = 1 << 62

// FD is a descriptor in non-blocking mode that can be closed while it is in
// use: it is given back to the system when the last use ends.
type FD struct {
	fd     int
	uses   atomic.Int64          // one is the owner's, until Close
	waiter atomic.Pointer[event] // whom Close wakes
	own    atomic.Pointer[event] // of Wait, made by the first; goes with the descriptor
}

// New takes over fd.
func New(fd int) *FD {
	f := &FD{fd: fd}
	f.uses.Store(1)
	return f
}

// Use gives the descriptor until Done. It reports false after Close.
func (f *FD) Use() (fd int, ok bool) {
	for {
		n := f.uses.Load()
		if n&closing != 0 {
			return -1, false
		}
		if f.uses.CompareAndSwap(n, n+1) {
			return f.fd, true
		}
	}
}

// Done ends a Use.
func (f *FD) Done() {
	if f.uses.Add(-1) != closing {
		return
	}
	unix.Close(f.fd)
	if e := f.own.Load(); e != nil {
		e.close()
	}
}

// Close wakes who waits and closes the descriptor once nobody uses it.
func (f *FD) Close() error {
	if f.uses.Or(closing)&closing != 0 {
		return os.ErrClosed
	}
	if w := f.waiter.Load(); w != nil {
		w.signal()
	}
	f.Done()
	return nil
}

// Wait sleeps until there is something to read; it is for the one reader of a
// descriptor that no [Loop] serves. The error is os.ErrClosed after Close, or of
// a system without descriptors to spare.
func (f *FD) Wait() error {
	fd, ok := f.Use()
	if !ok {
		return os.ErrClosed
	}
	defer f.Done()
	wake, err := f.ownEvent()
	if err != nil {
		return err
	}
	f.waiter.Store(wake) // a Loop may have waited before
	if f.closed() {
		return os.ErrClosed // Close may have woken that
	}
	_, err = wait([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake.fd.fd), Events: unix.POLLIN}}, forever)
	return err
}

// ownEvent is what wakes Wait.
func (f *FD) ownEvent() (*event, error) {
	if e := f.own.Load(); e != nil {
		return e, nil
	}
	e, err := newEvent()
	if err != nil {
		return nil, err
	}
	f.own.Store(e)
	return e, nil
}

func (f *FD) closed() bool { return f.uses.Load()&closing != 0 }
