package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// patience is how long a second peer may wait for the first to go: the
	// old connection of a machine that was restarted is noticed in
	// milliseconds, but nobody promises the order.
	patience = 3 * time.Second

	// acceptAgain is the pause after the system refused a connection, for want
	// of file descriptors for instance.
	acceptAgain = 100 * time.Millisecond

	// dialTime bounds an attempt to connect, one retransmission of a SYN
	// (RFC 6298 section 2) and some.
	dialTime = 5 * time.Second
)

// keepAlive notices within 30 seconds that a TCP peer's machine is gone, so
// that its port is free when it comes back.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// Listener accepts the connections of a port, one at a time. While there is one
// a second peer is refused, after a moment: taking the port from the first would
// let two machines that were given the same socket by mistake fight for it for
// ever.
type Listener struct {
	inner   net.Listener
	refused func() // called for each
	next    chan net.Conn
	closing chan struct{}
	running sync.WaitGroup
}

// NewListener makes a Listener of a TCP or a Unix listener, and owns that from
// then on. refused is called for each peer that was.
func NewListener(l net.Listener, refused func()) *Listener {
	return &Listener{inner: l, refused: refused, next: make(chan net.Conn), closing: make(chan struct{})}
}

// Start begins to accept.
func (l *Listener) Start() { l.running.Go(l.accept) }

// Close stops accepting and closes the listener. It is called once.
func (l *Listener) Close() error {
	close(l.closing)
	err := l.inner.Close()
	l.running.Wait()
	return err
}

func (l *Listener) accept() {
	for {
		c, err := l.inner.Accept()
		if err != nil {
			if !l.pause(acceptAgain) {
				return
			}
			continue
		}
		wait := time.NewTimer(patience)
		select {
		case l.next <- c:
		case <-wait.C:
			_ = c.Close()
			l.refused()
		case <-l.closing:
			_ = c.Close()
		}
		wait.Stop()
	}
}

// pause reports false when the listener closes meanwhile.
func (l *Listener) pause(d time.Duration) bool {
	select {
	case <-l.closing:
		return false
	case <-time.After(d):
		return true
	}
}

// Accept waits for the next peer, until ctx ends.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.next:
		return made(c)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dial connects to a peer over network tcp or unix.
func Dial(ctx context.Context, network, address string) (*Conn, error) {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", rootCause(err))
	}
	return made(c)
}

// made is a Conn of what net gave.
func made(c net.Conn) (*Conn, error) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive) // works without, too
	}
	s, ok := c.(interface {
		net.Conn
		syscall.Conn
	})
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T has no descriptor", c), c.Close())
	}
	return NewConn(s)
}
