package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"weft/frame"
)

const (
	// lenBytes is the length field before each frame.
	lenBytes = 4

	// maxFrame is the longest frame in bytes. QEMU's own buffers take 68 KiB;
	// a longer one says that the two sides are out of step.
	maxFrame = 64 << 10

	// readLen is how much is read at once, in bytes: a whole Unix socket's
	// buffer (net.core.wmem_default is 208 KiB), and four of the longest frames.
	readLen = 256 << 10

	// copyLen is the memory for frames that are moved to have headroom: half
	// a batch of Ethernet's usual 1518 bytes, or one of the longest.
	copyLen = frame.Headroom + maxFrame

	// stallTime is how long a frame may take from its first byte to its last.
	// It bounds how long a peer that stopped half way holds the port; one whose
	// link is that slow has lost its connections anyway. Up to twice that can
	// pass, see [rx.fill].
	stallTime = 10 * time.Second
)

// Errors that end a connection, besides those of the system.
var (
	// ErrPeerClosed: the peer ended the connection.
	ErrPeerClosed = errors.New("the peer closed the connection")
	// ErrCutOff: the peer broke the protocol; the text says how.
	ErrCutOff = errors.New("the peer was cut off")
)

// rx takes frames out of a connection's bytes.
//
//	buf:  | 4 | length | frame | length | frame | length | fra.      |
//	          ^start                                        ^end
//
// One read brings many frames, and they are handed out where they lie. But a
// frame needs [frame.Headroom] that may be written to, and of the 8 bytes before
// it only its length field is free: the others are the end of the frame before
// it. So of two neighbours in a batch one is moved, to copies.
type rx struct {
	conn       net.Conn
	buf        []byte
	start, end int
	copies     []byte
	err        error // what the next call gives

	frames uint64 // how many were complete
	armed  bool   // a deadline is set
	then   uint64 // frames when it was set
}

func newRx(conn net.Conn) *rx {
	const margin = frame.Headroom - lenBytes // before the first length
	return &rx{
		conn: conn, start: margin, end: margin,
		buf: make([]byte, margin+readLen), copies: make([]byte, copyLen),
	}
}

// ReadBatch gives the frames that are there, or waits for one; vswitch.Rx has
// the contract. A frame that cannot be completed is given as an empty one, to
// be counted, before the error.
func (r *rx) ReadBatch(b *frame.Batch) error {
	b.Reset()
	for r.err == nil {
		r.take(b)
		if b.Len() > 0 {
			return nil
		}
		if r.err == nil {
			r.err = r.fill()
		}
		if r.end > r.start && r.err != nil && !errors.Is(r.err, os.ErrClosed) {
			b.Next().Set(r.copies[:frame.Headroom], frame.Headroom) // counted as malformed
			return nil
		}
	}
	return r.err
}

// take moves the complete frames of the buffer to the batch.
func (r *rx) take(b *frame.Batch) {
	used, free := 0, true // of copies; the bytes before the length are nobody's
	for !b.Full() {
		unread := r.buf[r.start:r.end]
		if len(unread) < lenBytes {
			return
		}
		n := binary.BigEndian.Uint32(unread)
		if n > maxFrame {
			if b.Len() == 0 { // else when the frames before it are through
				r.err = fmt.Errorf("%w: it announced a frame of %d bytes (at most %d)", ErrCutOff, n, maxFrame)
			}
			return
		}
		size := lenBytes + int(n)
		if len(unread) < size {
			return
		}
		mem := r.buf[r.start+lenBytes-frame.Headroom : r.start+size : r.start+size]
		if !free {
			room := r.copies[used:]
			if len(room) < frame.Headroom+int(n) {
				return
			}
			mem = room[: frame.Headroom+int(n) : frame.Headroom+int(n)]
			copy(mem[frame.Headroom:], unread[lenBytes:size])
			used += len(mem)
		}
		free = !free
		b.Next().Set(mem, frame.Headroom)
		r.start += size
		r.frames++
	}
}

// fill reads once, behind the part of a frame that is there.
//
// A deadline is set when a part has to wait for its rest, and looked at when it
// passes: if a frame was completed since, it begins anew. So it costs a busy
// connection next to nothing, and a part may wait for up to twice stallTime.
func (r *rx) fill() error {
	const margin = frame.Headroom - lenBytes
	r.end = margin + copy(r.buf[margin:], r.buf[r.start:r.end])
	r.start = margin
	for {
		if r.end > r.start && !r.armed {
			r.armed, r.then = true, r.frames
			if err := r.conn.SetReadDeadline(time.Now().Add(stallTime)); err != nil {
				return readError(err)
			}
		}
		n, err := r.conn.Read(r.buf[r.end:])
		r.end += n
		switch {
		case n > 0:
			return nil // an error comes again
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return readError(err)
		case r.end > r.start && r.frames == r.then:
			return fmt.Errorf("%w: it stopped in the middle of a frame", ErrCutOff)
		}
		r.armed = false
		if err := r.conn.SetReadDeadline(time.Time{}); err != nil {
			return readError(err)
		}
	}
}

// readError puts the end of a connection in words for users.
func readError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	case errors.Is(err, net.ErrClosed):
		return os.ErrClosed
	}
	return fmt.Errorf("the connection was lost: %w", rootCause(err))
}

// rootCause leaves out the addresses and the system call that net puts before
// what happened.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
