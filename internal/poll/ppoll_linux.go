package poll

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forever is the limit of a wait without one.
const forever = -1

// wait is poll(2).
func wait(fds []unix.PollFd, limit time.Duration) (int, error) {
	var end *unix.Timespec
	if limit != forever {
		t := unix.NsecToTimespec(int64(limit))
		end = &t
		// The kernel may be late by a thread's timer slack, 50 us as a rule. The
		// goroutine may be on another thread each time.
		_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 1, 0)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(end)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR: // the kernel leaves in end what is left
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
