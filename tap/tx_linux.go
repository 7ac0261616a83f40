package tap

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/vectorio"
)

// tx writes frames to a TAP, each with one writev that gathers the virtio
// header, the first part and what was coalesced behind it.
type tx struct {
	queue *queue
	down  *atomic.Bool
	seg   *offload.Segmenter
	hdr   [offload.VirtioLen]byte
	iov   []unix.Iovec
}

// WriteBatch writes bufs; vswitch.Tx has the contract. Superframes go whole
// where the kernel takes them.
func (t *tx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	fd, ok := t.queue.fd.Use()
	if !ok {
		for _, b := range bufs {
			tally.Drop(frame.DropPortDown, b)
		}
		return
	}
	defer t.queue.fd.Done()
	f := t.queue.features
	for _, b := range bufs {
		o := &b.Offload
		switch {
		case o.GSO == frame.GSOUDP && !f.USO, o.GSO != frame.GSONone && !f.TSO:
			t.writeSegments(fd, b, tally)
			continue
		case o.NeedsCsum && !f.Checksum:
			offload.FinishChecksum(b)
		}
		t.writeFrame(fd, b, tally)
	}
}

func (t *tx) writeSegments(fd int, b *frame.Buf, tally *frame.Tally) {
	segs, err := t.seg.Segment(b)
	if err != nil {
		tally.Drop(frame.DropMalformed, b)
		return
	}
	for i := range segs {
		t.writeFrame(fd, &segs[i], tally)
	}
}

func (t *tx) writeFrame(fd int, b *frame.Buf, tally *frame.Tally) {
	offload.EncodeVirtio(t.hdr[:], b)
	t.iov = t.iov[:0]
	t.iov = append(t.iov, vectorio.Part(t.hdr[:]), vectorio.Part(b.Head()))
	for _, f := range b.Frags {
		t.iov = append(t.iov, vectorio.Part(f))
	}
	switch _, errno := vectorio.Writev(fd, t.iov); errno {
	case 0:
		tally.Sent(b)
		if t.down.Load() {
			t.down.Store(false)
		}
	case unix.EIO: // the interface is administratively down
		t.down.Store(true)
		tally.Drop(frame.DropPortDown, b)
	case unix.EBADFD, unix.ENODEV:
		tally.Drop(frame.DropPortDown, b)
	case unix.EINVAL:
		tally.Drop(frame.DropMalformed, b)
	default: // EAGAIN, ENOBUFS, ENOMEM
		tally.Drop(frame.DropQueueFull, b)
	}
}
