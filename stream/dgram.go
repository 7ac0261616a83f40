package stream

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"

	"weft/frame"
	"weft/frame/offload"
)

// socketBuffer is what is asked for on each side, in bytes: 2,700 frames of
// 1,500 bytes, about what a TAP's queue holds while the reader sleeps. The
// system gives less where net.core.rmem_max and wmem_max are less.
const socketBuffer = 4 << 20

// Dgram is a port over a datagram socket.
type Dgram struct {
	conn PacketConn
	raw  syscall.RawConn
	to   string // a Unix socket's path; "" for a socket that is connected
	rx   *dgramRx

	// refused: nobody was there when the last frame was sent. Set by writers,
	// cleared by the first sign of the peer; readers may see it late.
	refused atomic.Bool
}

// PacketConn is a *net.UDPConn or a Unix socket.
type PacketConn interface {
	net.Conn
	syscall.Conn
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// NewDgram makes a port of a datagram socket and owns that from then on. With
// to, a Unix socket's path, each frame is sent there, whoever has the path at
// that moment, so that a peer which was started again is found. Without, the
// socket is a connected one.
func NewDgram(c PacketConn, to string) (*Dgram, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	// Best effort, as said above.
	_ = c.SetReadBuffer(socketBuffer)
	_ = c.SetWriteBuffer(socketBuffer)
	d := &Dgram{conn: c, raw: raw, to: to}
	d.rx = newDgramRx(d)
	return d, nil
}

// Rx is the receive queue. It fails with os.ErrClosed after Close, and with
// errors of the system.
func (d *Dgram) Rx() Rx { return d.rx }

// NewTx gives a transmit handle.
func (d *Dgram) NewTx() Tx { return newDgramTx(d) }

// Refused reports whether nobody was at the other end when the last frame was
// sent, and nothing was heard since.
func (d *Dgram) Refused() bool { return d.refused.Load() }

// Close closes the socket.
func (d *Dgram) Close() error { return d.conn.Close() }

// heard notes a sign of the peer.
func (d *Dgram) heard() {
	if d.refused.Load() {
		d.refused.Store(false)
	}
}

// dgramTx sends each frame as a datagram.
type dgramTx struct {
	dgram *Dgram
	seg   *offload.Segmenter
	queue []*frame.Buf
	mmsg  sender // what sends queue

	tally *frame.Tally
	bind  func(fd uintptr) // t.send, bound once so that a send allocates nothing
}

func newDgramTx(d *Dgram) *dgramTx {
	t := &dgramTx{dgram: d, seg: offload.NewSegmenter()}
	t.mmsg.init(d.to)
	t.bind = t.send
	return t
}

// WriteBatch sends bufs; vswitch.Tx has the contract.
func (t *dgramTx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	t.tally = tally
	finish(bufs, t.seg, tally, t)
	t.tally = nil
}

func (t *dgramTx) push(b *frame.Buf) {
	if len(t.queue) == sendMany {
		t.flush()
	}
	t.queue = append(t.queue, b)
}

func (t *dgramTx) flush() {
	if len(t.queue) == 0 {
		return
	}
	if t.dgram.raw.Control(t.bind) != nil {
		t.drop(0, frame.DropPortDown)
	}
	clear(t.queue)
	t.queue = t.queue[:0]
}

// send sends the queue, as far as there is room.
func (t *dgramTx) send(fd uintptr) {
	t.mmsg.load(t.queue)
	for i := 0; i < len(t.queue); {
		n, err := t.mmsg.send(fd, i)
		for _, b := range t.queue[i : i+n] {
			t.tally.Sent(b)
		}
		i += n
		if n > 0 && t.dgram.to != "" {
			t.dgram.heard() // a Unix socket takes nothing for nobody
		}
		switch {
		case err == nil:
		case errors.Is(err, syscall.EMSGSIZE):
			t.tally.Drop(frame.DropTooBig, t.queue[i])
			i++
		case errors.Is(err, syscall.ECONNREFUSED) && t.dgram.to == "":
			// What an earlier datagram met; this one was not tried for it.
			t.dgram.refused.Store(true)
			t.tally.Drop(frame.DropPortDown, t.queue[i])
			i++
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			t.drop(i, frame.DropQueueFull)
			return
		default: // nobody has the path, no route
			t.dgram.refused.Store(true)
			t.drop(i, frame.DropPortDown)
			return
		}
	}
}

// drop counts the frames of the queue from the i-th on.
func (t *dgramTx) drop(i int, r frame.DropReason) {
	for _, b := range t.queue[i:] {
		t.tally.Drop(r, b)
	}
}
