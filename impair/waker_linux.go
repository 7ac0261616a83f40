package impair

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fdWaker is a timerfd in the runtime's poller. The runtime's own timers end
// in an epoll_wait, which counts in milliseconds; the kernel's are exact to
// some microseconds, and a goroutine that waits for one holds no thread.
type fdWaker struct {
	fd     int
	file   *os.File
	conn   syscall.RawConn
	readFn func(fd uintptr) bool // bound once so that waiting allocates nothing
}

func newWaker() (waker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	w := &fdWaker{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	w.readFn = w.read
	return w, nil
}

func (w *fdWaker) arm(d time.Duration) {
	// A time of zero would stop the timer.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	_ = unix.TimerfdSettime(w.fd, 0, &spec, nil) // fails for a bad time only
}

func (w *fdWaker) wait() error { return w.conn.Read(w.readFn) }

func (w *fdWaker) read(fd uintptr) bool {
	var expirations [8]byte
	_, err := unix.Read(int(fd), expirations[:])
	return !errors.Is(err, unix.EAGAIN)
}

func (w *fdWaker) close() { _ = w.file.Close() }
