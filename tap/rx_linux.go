package tap

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/poll"
)

const (
	// enough, in bytes, is when a batch is passed on although it is not full: a
	// superframe should be on its way while the next is read, and both in the
	// cache.
	enough = 32 << 10

	// arenaLen is the memory of one batch in bytes: what is left of enough may
	// be taken by a superframe.
	arenaLen = enough + frame.Headroom + frame.MaxLen
)

// queue is a TAP's descriptor with the virtio header on.
//
// A read scatters a frame into two places: the virtio header into hdr, the
// frame into the arena behind Headroom, where the tunnel will put its header.
// Nothing is copied in user space.
type queue struct {
	fd       *poll.FD
	features Features

	arena []byte
	hdr   [offload.VirtioLen]byte
	iov   [2]unix.Iovec
}

func newQueue(fd int, f Features) *queue {
	q := &queue{fd: poll.New(fd), features: f, arena: make([]byte, arenaLen)}
	q.iov[0].Base = &q.hdr[0]
	q.iov[0].SetLen(len(q.hdr))
	return q
}

func (q *queue) rx() Rx       { return q }
func (q *queue) close() error { return q.fd.Close() }

// FD is what a [poll.Loop] waits for on behalf of PollBatch.
func (q *queue) FD() *poll.FD { return q.fd }

// ReadBatch waits until there are frames and reads them; vswitch.Rx has the
// contract.
func (q *queue) ReadBatch(b *frame.Batch) error {
	for {
		if _, err := q.PollBatch(b); b.Len() > 0 || err != nil {
			return err
		}
		if err := q.fd.Wait(); err != nil {
			return err
		}
	}
}

// PollBatch reads until the device is empty or the batch is full; vswitch.Polled
// has the contract.
func (q *queue) PollBatch(b *frame.Batch) (more bool, err error) {
	b.Reset()
	fd, ok := q.fd.Use()
	if !ok {
		return false, os.ErrClosed
	}
	defer q.fd.Done()
	if err = q.read(uintptr(fd), b); b.Len() > 0 {
		return false, nil // poll tells of more, and of the error again
	}
	return false, err
}

// read drains the device, as far as a batch goes.
func (q *queue) read(fd uintptr, batch *frame.Batch) error {
	used := 0
	for !batch.Full() && used < enough {
		slot := q.arena[used : used+frame.Headroom+frame.MaxLen]
		n, errno := q.readv(fd, slot[frame.Headroom:])
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return nil
		case unix.EBADFD, unix.ENODEV:
			return ErrGone
		default:
			return fmt.Errorf("read TAP: %w", errno)
		}
		n = max(n-offload.VirtioLen, 0)
		b := batch.Next()
		b.Set(slot[:frame.Headroom+n], frame.Headroom)
		if err := offload.DecodeVirtio(q.hdr[:], b); err != nil {
			b.Set(slot[:frame.Headroom], frame.Headroom) // counted as malformed
		}
		used += frame.Headroom + n
	}
	return nil
}

func (q *queue) readv(fd uintptr, room []byte) (int, unix.Errno) {
	q.iov[1].Base = &room[0]
	q.iov[1].SetLen(len(room))
	// A read that does not block needs no notice to the scheduler.
	n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&q.iov[0])), uintptr(len(q.iov)))
	return int(n), errno
}

func (q *queue) newTx(down *atomic.Bool) Tx {
	return &tx{queue: q, down: down, seg: offload.NewSegmenter()}
}
