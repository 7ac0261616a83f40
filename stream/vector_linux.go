package stream

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxParts is IOV_MAX, what one writev takes (writev(2)).
const maxParts = 1024

// vector is bytes in many places that one system call writes.
type vector struct{ iov []unix.Iovec }

// room reports whether n more parts fit.
func (v *vector) room(n int) bool { return len(v.iov)+n <= maxParts }

// push appends p, borrowed until reset.
func (v *vector) push(p []byte) {
	if len(p) == 0 {
		return
	}
	part := unix.Iovec{Base: &p[0]}
	part.SetLen(len(p))
	v.iov = append(v.iov, part)
}

func (v *vector) reset() {
	clear(v.iov) // what it points to may go
	v.iov = v.iov[:0]
}

// write writes as much as the socket has room for, and gives how many bytes.
func (v *vector) write(fd uintptr) (int, error) {
	for {
		// A write that does not block needs no notice to the scheduler.
		n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&v.iov[0])), uintptr(len(v.iov)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
