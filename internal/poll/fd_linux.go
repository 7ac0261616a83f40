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
	own    atomic.Pointer[event] // a Waiter's, which goes with the descriptor
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

func (f *FD) closed() bool { return f.uses.Load()&closing != 0 }
