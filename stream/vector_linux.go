package stream

import (
	"golang.org/x/sys/unix"

	"weft/internal/vectorio"
)

// maxParts is IOV_MAX, what one writev takes (writev(2)).
const maxParts = 1024

// vector is bytes in many places that one system call writes.
type vector struct{ iov []unix.Iovec }

// room reports whether n more parts fit.
func (v *vector) room(n int) bool { return len(v.iov)+n <= maxParts }

// push appends p, borrowed until reset.
func (v *vector) push(p []byte) {
	if len(p) > 0 {
		v.iov = append(v.iov, vectorio.Part(p))
	}
}

func (v *vector) reset() {
	clear(v.iov) // what it points to may go
	v.iov = v.iov[:0]
}

// write writes as much as the socket has room for, and gives how many bytes.
func (v *vector) write(fd uintptr) (int, error) {
	n, errno := vectorio.Writev(int(fd), v.iov)
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}
