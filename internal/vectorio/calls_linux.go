package vectorio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Msg is struct mmsghdr: a message, and how many bytes of it went or came.
type Msg struct {
	Hdr unix.Msghdr
	N   uint32
}

// Part is p as a part of a vector. p is borrowed until the vector was used.
func Part(p []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return v
}

// Writev writes the parts, at least one, to a non-blocking descriptor and gives
// how many bytes there was room for.
func Writev(fd int, parts []unix.Iovec) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&parts[0])), uintptr(len(parts)))
		if errno != unix.EINTR {
			return count(n, errno), errno
		}
	}
}

// Sendmmsg sends the messages, at least one. It gives how many went before the
// first that did not and, when that is the first of all, why.
func Sendmmsg(fd int, msgs []Msg) (int, unix.Errno) { return many(unix.SYS_SENDMMSG, fd, msgs) }

// Recvmmsg receives at most as many messages as there is place for, at least
// one; EAGAIN when there is none.
func Recvmmsg(fd int, msgs []Msg) (int, unix.Errno) { return many(unix.SYS_RECVMMSG, fd, msgs) }

func many(call uintptr, fd int, msgs []Msg) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return count(n, errno), errno
		}
	}
}

// count is what a call gave, which is no number when it failed.
func count(n uintptr, errno unix.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}
