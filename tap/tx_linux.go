package tap

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
)

// tx writes frames to a TAP, each with one writev that gathers the virtio
// header, the first part and what was coalesced behind it.
type tx struct {
	queue *queue
	down  *atomic.Bool
	seg   *offload.Segmenter
	hdr   [offload.VirtioLen]byte
	iov   []unix.Iovec

	bufs    []*frame.Buf
	tally   *frame.Tally
	writeFn func(fd uintptr) // t.write, bound once so that a write allocates nothing
}

// WriteBatch writes bufs; vswitch.Tx has the contract. Superframes go whole
// where the kernel takes them.
func (t *tx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	t.bufs, t.tally = bufs, tally
	// Control, unlike Write, lets several handles use the descriptor at once.
	if err := t.queue.conn.Control(t.writeFn); err != nil {
		for _, b := range bufs {
			tally.Drop(frame.DropPortDown, b)
		}
	}
	t.bufs, t.tally = nil, nil
}

func (t *tx) write(fd uintptr) {
	f := t.queue.features
	for _, b := range t.bufs {
		o := &b.Offload
		switch {
		case o.GSO == frame.GSOUDP && !f.USO, o.GSO != frame.GSONone && !f.TSO:
			t.writeSegments(fd, b)
			continue
		case o.NeedsCsum && !f.Checksum:
			offload.FinishChecksum(b)
		}
		t.writeFrame(fd, b)
	}
}

func (t *tx) writeSegments(fd uintptr, b *frame.Buf) {
	segs, err := t.seg.Segment(b)
	if err != nil {
		t.tally.Drop(frame.DropMalformed, b)
		return
	}
	for i := range segs {
		t.writeFrame(fd, &segs[i])
	}
}

func (t *tx) writeFrame(fd uintptr, b *frame.Buf) {
	offload.EncodeVirtio(t.hdr[:], b)
	t.iov = t.iov[:0]
	t.push(t.hdr[:])
	t.push(b.Head())
	for _, f := range b.Frags {
		t.push(f)
	}
	switch errno := t.writev(fd); errno {
	case 0:
		t.tally.Sent(b)
		if t.down.Load() {
			t.down.Store(false)
		}
	case unix.EIO: // the interface is administratively down
		t.down.Store(true)
		t.tally.Drop(frame.DropPortDown, b)
	case unix.EBADFD, unix.ENODEV:
		t.tally.Drop(frame.DropPortDown, b)
	case unix.EINVAL:
		t.tally.Drop(frame.DropMalformed, b)
	default: // EAGAIN, ENOBUFS, ENOMEM
		t.tally.Drop(frame.DropQueueFull, b)
	}
}

func (t *tx) push(p []byte) {
	if len(p) == 0 {
		return
	}
	v := unix.Iovec{Base: &p[0]}
	v.SetLen(len(p))
	t.iov = append(t.iov, v)
}

func (t *tx) writev(fd uintptr) unix.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&t.iov[0])), uintptr(len(t.iov)))
		if errno != unix.EINTR {
			return errno
		}
	}
}
