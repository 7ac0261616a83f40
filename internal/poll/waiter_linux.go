package poll

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Waiter has one reader wait for one descriptor that no [Loop] serves.
type Waiter struct {
	fd   *FD
	wake *event
}

// NewWaiter gives the reader of f what it waits with; one for each FD.
func NewWaiter(f *FD) (*Waiter, error) {
	wake, err := newEvent()
	if err != nil {
		return nil, err
	}
	f.own.Store(wake)
	f.waiter.Store(wake)
	return &Waiter{fd: f, wake: wake}, nil
}

// Wait sleeps until there is something to read. The error is os.ErrClosed.
func (w *Waiter) Wait() error {
	fd, ok := w.fd.Use()
	if !ok {
		return os.ErrClosed
	}
	defer w.fd.Done()
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(w.wake.fd.fd), Events: unix.POLLIN}}
	w.fd.waiter.Store(w.wake) // a Loop may have waited before
	if w.fd.closed() {
		return os.ErrClosed // Close may have woken that
	}
	_, err := wait(fds[:])
	return err
}

// wait is poll(2) without an end.
func wait(fds []unix.PollFd) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), 0, 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("ppoll", errno)
		}
	}
}

// look is poll(2) that does not wait, and so needs no notice to the scheduler.
func look(fds []unix.PollFd) int {
	var zero unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
