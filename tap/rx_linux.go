package tap

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
)

// arenaLen is the memory of one batch in bytes: 64 frames of 3 KB, or three
// superframes. It stays in the second-level cache between kernel and switch.
const arenaLen = 256 << 10

// queue is a TAP's descriptor with the virtio header on.
//
// A read scatters a frame into two places: the virtio header into hdr, the
// frame into the arena behind Headroom, where the tunnel will put its header.
// Nothing is copied in user space.
type queue struct {
	file     *os.File
	conn     syscall.RawConn
	features Features

	arena []byte
	hdr   [offload.VirtioLen]byte
	iov   [2]unix.Iovec

	batch  *frame.Batch
	err    error
	readFn func(fd uintptr) bool // q.read, bound once so that a read allocates nothing
}

func newQueue(fd int, f Features) (*queue, error) {
	file := os.NewFile(uintptr(fd), tunPath)
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	q := &queue{file: file, conn: conn, features: f, arena: make([]byte, arenaLen)}
	q.iov[0].Base = &q.hdr[0]
	q.iov[0].SetLen(len(q.hdr))
	q.readFn = q.read
	return q, nil
}

func (q *queue) rx() Rx       { return q }
func (q *queue) close() error { return q.file.Close() }

// ReadBatch reads until the device is empty or the batch or the arena is full.
func (q *queue) ReadBatch(b *frame.Batch) error {
	b.Reset()
	q.batch, q.err = b, nil
	if q.conn.Read(q.readFn) != nil {
		return os.ErrClosed // in one of two wordings of the runtime's
	}
	if q.err != nil && b.Len() == 0 {
		return q.err
	}
	return nil
}

// read drains the device. It reports false when there was nothing, so that the
// runtime's poller waits and calls again.
func (q *queue) read(fd uintptr) bool {
	used := 0
	for !q.batch.Full() && len(q.arena)-used >= frame.Headroom+frame.MaxLen {
		slot := q.arena[used : used+frame.Headroom+frame.MaxLen]
		n, errno := q.readv(fd, slot[frame.Headroom:])
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return q.batch.Len() > 0
		case unix.EBADFD, unix.ENODEV:
			q.err = ErrGone
			return true
		default:
			q.err = fmt.Errorf("read TAP: %w", errno)
			return true
		}
		n = max(n-offload.VirtioLen, 0)
		b := q.batch.Next()
		b.Set(slot[:frame.Headroom+n], frame.Headroom)
		if err := offload.DecodeVirtio(q.hdr[:], b); err != nil {
			b.Set(slot[:frame.Headroom], frame.Headroom) // counted as malformed
		}
		used += frame.Headroom + n
	}
	return true
}

func (q *queue) readv(fd uintptr, room []byte) (int, unix.Errno) {
	q.iov[1].Base = &room[0]
	q.iov[1].SetLen(len(room))
	// A read that does not block needs no notice to the scheduler.
	n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&q.iov[0])), uintptr(len(q.iov)))
	return int(n), errno
}

func (q *queue) newTx(down *atomic.Bool) Tx {
	t := &tx{queue: q, down: down, seg: offload.NewSegmenter()}
	t.writeFn = t.write
	return t
}
