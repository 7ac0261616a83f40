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

	// slotLen is the memory of the longest read.
	slotLen = offload.VirtioLen + frame.MaxLen

	// slotAlign is what reads begin at multiples of, in bytes. The kernel copies
	// a superframe's payload to where a page begins. From the last 15 bytes
	// before such a place, which are 49 to 63 behind a multiple of this, REP MOVSB
	// needs twenty times as long on AMD's Zen 3 and 4; with headers of the usual
	// lengths payload begins 0 to 36 behind one.
	slotAlign = 64

	// What is before the frame must do as its headroom.
	_ = uint(offload.VirtioLen - frame.Headroom)

	// arenaLen is the memory of one batch in bytes: what is left of enough may
	// be taken by a superframe.
	arenaLen = enough + slotLen
)

// queue is a TAP's descriptor with the virtio header on.
//
// A read puts virtio header and frame into the arena in one piece: a vector of
// two costs 50 ns more (docs/adr/0008). The header, once understood, is the
// frame's headroom, where the tunnel will put its own. Nothing is copied in user
// space.
type queue struct {
	fd       *poll.FD
	features Features

	arena []byte
}

func newQueue(fd int, f Features) *queue {
	return &queue{fd: poll.New(fd), features: f, arena: make([]byte, arenaLen)}
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
	if err = q.read(fd, b); b.Len() > 0 {
		return false, nil // poll tells of more, and of the error again
	}
	return false, err
}

// read drains the device, as far as a batch goes.
func (q *queue) read(fd int, batch *frame.Batch) error {
	used := 0
	for !batch.Full() && used < enough {
		slot := q.arena[used : used+slotLen]
		n, errno := sysRead(fd, slot)
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
		n = max(n, offload.VirtioLen)
		b := batch.Next()
		b.Set(slot[:n], offload.VirtioLen)
		if err := offload.DecodeVirtio(slot, b); err != nil {
			b.Set(slot[:offload.VirtioLen], offload.VirtioLen) // counted as malformed
		}
		used += (n + slotAlign - 1) &^ (slotAlign - 1)
	}
	return nil
}

// sysRead is read(2) of a descriptor that does not block, which needs no notice to
// the scheduler.
func sysRead(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func (q *queue) newTx(down *atomic.Bool) Tx {
	return &tx{queue: q, down: down, seg: offload.NewSegmenter()}
}
