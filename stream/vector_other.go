//go:build !linux

package stream

import (
	"errors"
	"syscall"
)

// maxBytes bounds what one write copies together.
const maxBytes = 256 << 10

// vector is bytes that one system call writes: a copy, where the standard
// library has no writev.
type vector struct{ bytes []byte }

func (v *vector) room(int) bool { return len(v.bytes) < maxBytes }
func (v *vector) push(p []byte) { v.bytes = append(v.bytes, p...) }
func (v *vector) reset()        { v.bytes = v.bytes[:0] }

// write writes as much as the socket has room for, and gives how many bytes.
func (v *vector) write(fd uintptr) (int, error) {
	for {
		n, err := syscall.Write(int(fd), v.bytes)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
