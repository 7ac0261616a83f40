package load

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/internal/netns"
)

// Words of this file: a system call that the runtime is not told of is a raw one.
//
// What is measured here takes microseconds on all processors that there are. Of a
// goroutine that is in system calls for most of the time the runtime takes the
// processor away in each of them, looks every 20 us whether it can, and wakes
// another thread to give it back: as much as a round trip, on the processors of
// what is measured. So the calls of senders and receivers are raw. While one is
// under way the runtime can stop nothing, so none lasts long.

// wakeEvery is how long a raw call sleeps at most.
const wakeEvery = 10 * time.Millisecond

// room has the runtime run more goroutines at once than it would, since one in
// raw calls keeps one of its places.
var room = sync.OnceFunc(func() {
	const threads = 16 // twice as many as any load has
	runtime.GOMAXPROCS(max(threads, runtime.GOMAXPROCS(0)))
})

// timerSlack is how late, in ns, the kernel may wake a sender to save power;
// 50 us by default (PR_SET_TIMERSLACK in prctl(2)).
const timerSlack = 1

// onThread calls f on a thread that blocks in system calls and ends with f,
// and with it what prepare, if not nil, set on it.
func onThread(prepare, f func() error) <-chan error {
	room()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if prepare != nil {
			if err := prepare(); err != nil {
				done <- err
				return
			}
		}
		done <- f()
	}()
	return done
}

// punctual makes sleeps of the thread end when they should.
func punctual() error {
	return os.NewSyscallError("PR_SET_TIMERSLACK", unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0))
}

// onFirstCPU keeps the thread on the first CPU that it may use.
func onFirstCPU() error {
	cpus, err := netns.CPUs()
	if err != nil {
		return err
	}
	return netns.Keep(cpus[0])
}

// boundWaits has raw calls on a socket end after wakeEvery.
func boundWaits(fd int) error {
	t := unix.NsecToTimeval(int64(wakeEvery))
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &t); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// sysRead is a raw read(2). The error wraps EAGAIN when nothing came for
// wakeEvery.
func sysRead(fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno == 0 {
			return int(n), nil
		}
		runtime.Gosched() // it may be the runtime that interrupted
		if errno != unix.EINTR {
			return 0, os.NewSyscallError("read", errno)
		}
	}
}

// sysWrite writes all of p by raw write(2).
func sysWrite(fd int, p []byte) error {
	for len(p) > 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			p = p[n:]
		case unix.EINTR, unix.EAGAIN:
			runtime.Gosched()
		default:
			return os.NewSyscallError("write", errno)
		}
	}
	return nil
}

// sleepUntil sleeps to a time of CLOCK_MONOTONIC, raw but for long sleeps.
func sleepUntil(ns int64) error {
	ts := unix.NsecToTimespec(ns)
	for {
		var err error
		if ns-monotonic() > int64(wakeEvery) {
			err = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		} else if _, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0); errno != 0 {
			err = errno
			runtime.Gosched()
		}
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("clock_nanosleep", err)
		}
	}
}
