package stream

import (
	"net"
	"sync"
	"syscall"

	"weft/frame"
	"weft/frame/offload"
)

// Tx is a transmit handle; vswitch.Tx has its contract.
type Tx = interface {
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// Rx is a receive queue; vswitch.Rx has its contract.
type Rx interface {
	ReadBatch(b *frame.Batch) error
}

// Conn is a port over a connection. When its Rx fails, with [ErrPeerClosed],
// [ErrCutOff], os.ErrClosed or an error of the system, it is of no use any more
// and is to be closed.
type Conn struct {
	conn net.Conn
	raw  syscall.RawConn
	rx   *rx

	// mu keeps the bytes of one write together. Several workers may have
	// frames for the port at once, and unlike a TAP or a datagram socket,
	// where the kernel takes each frame whole, a connection may take a part:
	// whatever came between that and the rest would break the row of frames.
	// It is held for one system call that does not block.
	mu        sync.Mutex
	mem       []byte // where rest is
	rest      []byte // of the frame that was written in part
	finishing bool   // a goroutine waits to write it
	closed    bool

	running sync.WaitGroup
}

// NewConn makes a port of a TCP or a Unix connection and owns it from then on.
func NewConn(c interface {
	net.Conn
	syscall.Conn
},
) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Conn{conn: c, raw: raw, rx: newRx(c)}, nil
}

// Rx is the receive queue.
func (c *Conn) Rx() Rx { return c.rx }

// NewTx gives a transmit handle.
func (c *Conn) NewTx() Tx { return &tx{conn: c, seg: offload.NewSegmenter()} }

// Close ends the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true // no goroutine begins from here on
	c.mu.Unlock()
	err := c.conn.Close()
	c.running.Wait()
	return err
}

// keep puts the rest of a frame aside and has it written when there is room,
// for the next batch may be long in coming. Callers hold mu.
func (c *Conn) keep(b *frame.Buf, from int) {
	c.mem = append(c.mem[:0], b.Prepended(lenBytes)...)
	for _, f := range b.Frags {
		c.mem = append(c.mem, f...)
	}
	c.rest = c.mem[from:]
	if !c.finishing && !c.closed {
		c.finishing = true
		c.running.Go(c.finish)
	}
}

// finish waits for room and writes the rest. It ends when there is none, or
// with the connection.
func (c *Conn) finish() {
	done := false
	err := c.raw.Write(func(fd uintptr) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		done = c.writeRest(fd) || len(c.rest) == 0
		if done {
			c.finishing = false
		}
		return done
	})
	if err != nil && !done {
		c.mu.Lock()
		c.finishing = false
		c.mu.Unlock()
	}
}

// writeRest writes what it can of the rest and reports whether the connection
// is in order and at the beginning of a frame; when it is broken the rest is
// forgotten. Callers hold mu.
func (c *Conn) writeRest(fd uintptr) bool {
	for len(c.rest) > 0 {
		n, err := syscall.Write(int(fd), c.rest)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			c.rest = nil
			return false
		default:
			c.rest = c.rest[n:]
		}
	}
	return true
}
