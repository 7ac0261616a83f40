package poll

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
