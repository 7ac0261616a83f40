package tap

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/vectorio"
)

// short is up to what length, in bytes, a frame is copied behind its virtio
// header, so that one write(2) takes both: a vector of two parts costs 45 ns
// more, the copy of this much 15.
const short = 256

// tx writes frames to a TAP, each with one system call.
type tx struct {
	queue *queue
	down  *atomic.Bool
	seg   *offload.Segmenter
	mem   [offload.VirtioLen + short]byte // the virtio header and, where it is short, the frame
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
	offload.EncodeVirtio(t.mem[:], b)
	switch errno := t.write(fd, b); errno {
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

// write writes the virtio header in mem and the frame.
func (t *tx) write(fd int, b *frame.Buf) unix.Errno {
	head := b.Head()
	if len(b.Frags) == 0 && len(head) <= short {
		return sysWrite(fd, t.mem[:offload.VirtioLen+copy(t.mem[offload.VirtioLen:], head)])
	}
	t.iov = append(t.iov[:0], vectorio.Part(t.mem[:offload.VirtioLen]), vectorio.Part(head))
	for _, f := range b.Frags {
		t.iov = append(t.iov, vectorio.Part(f))
	}
	_, errno := vectorio.Writev(fd, t.iov)
	return errno
}

// sysWrite is write(2) to a descriptor that does not block.
func sysWrite(fd int, p []byte) unix.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno != unix.EINTR {
			return errno
		}
	}
}
