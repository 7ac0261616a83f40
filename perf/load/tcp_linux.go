package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// chunk is the bytes of a read or write: large enough that system calls do
	// not count.
	chunk = 256 << 10
	// dialWithin is for a connection to be made.
	dialWithin = 10 * time.Second
	// minWarmUp is longer than slow start takes on any path in one machine.
	minWarmUp = 200 * time.Millisecond
)

// TCP sends on some connections at once and gives the goodput in bits per
// second: payload as the receiver reads it, all streams together. The first
// tenth of the time, at least 200 ms, is not counted, which leaves slow start
// out. Nagle's algorithm and the socket buffers are as the system has them.
//
// It is the measure of iperf3, not of RFC 6349; it does not measure fairness,
// retransmissions or the time a connection takes to be made.
func TCP(ctx context.Context, from, to End, streams int, d time.Duration) (bitsPerSecond float64, err error) {
	warmUp := max(d/10, minWarmUp)
	if d < 2*warmUp {
		return 0, fmt.Errorf("duration %v: must be at least %v", d, 2*warmUp)
	}
	if streams < 1 {
		return 0, fmt.Errorf("%d streams: must be 1 or more", streams)
	}
	conns, err := connect(ctx, from, to, streams)
	if err != nil {
		return 0, err
	}
	var (
		received atomic.Uint64
		errs     = make(chan error, 2*streams)
		all      sync.WaitGroup
	)
	for _, c := range conns {
		all.Go(func() { errs <- <-onThread(from.Host.KeepThread, func() error { return pour(c.client) }) })
		all.Go(func() { errs <- <-onThread(to.Host.KeepThread, func() error { return drain(c.server, &received) }) })
	}
	measured := func() error {
		if err := waitOr(ctx, warmUp, errs); err != nil {
			return err
		}
		start, before := time.Now(), received.Load()
		if err := waitOr(ctx, d-warmUp, errs); err != nil {
			return err
		}
		bitsPerSecond = float64(received.Load()-before) * 8 / time.Since(start).Seconds()
		return nil
	}
	err = measured()
	for _, c := range conns {
		c.shutdown()
	}
	all.Wait()
	for _, c := range conns {
		c.close()
	}
	if err != nil {
		return 0, fmt.Errorf("TCP from %s to %s: %w", from.Host.Name, to.Host.Name, err)
	}
	if bitsPerSecond == 0 {
		return 0, fmt.Errorf("TCP from %s to %s: connected, then nothing arrived", from.Host.Name, to.Host.Name)
	}
	return bitsPerSecond, nil
}

// waitOr waits for the time, the context or the first that goes wrong.
func waitOr(ctx context.Context, d time.Duration, errs <-chan error) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case err := <-errs:
		if err == nil {
			err = errors.New("a connection ended early")
		}
		return err
	}
}

// pour writes until the connection is shut down.
func pour(f *os.File) error {
	fd, buf := int(f.Fd()), message(chunk)
	for {
		if err := sysWrite(fd, buf); err != nil {
			return err
		}
	}
}

// message is memory for n bytes that begins in the middle of a page.
//
// The kernel lays the bytes of a connection into pages one behind the other, so
// that each moves within its page by little at a time. Where it comes to lie a few
// bytes further on than it was here, REP MOVSB, which copies it, is twenty times
// slower on AMD's Zen 3 and 4, and a rate would be decided by such chance.
func message(n int) []byte {
	page := os.Getpagesize()
	mem := make([]byte, page+n)
	at := int(uintptr(unsafe.Pointer(&mem[0])) % uintptr(page))
	return mem[(page+page/2-at)%page:][:n]
}

// drain reads until the connection is shut down, and counts.
func drain(f *os.File, received *atomic.Uint64) error {
	fd, buf := int(f.Fd()), message(chunk)
	for {
		n, err := sysRead(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
		case err != nil:
			return err
		case n == 0:
			return nil
		default:
			received.Add(uint64(n))
		}
	}
}

// conn is a connection, both ends of it, with sockets for raw calls.
type conn struct{ client, server *os.File }

// connect makes n TCP connections.
func connect(ctx context.Context, from, to End, n int) (conns []conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	l, err := to.Host.ListenTCP(net.JoinHostPort(to.Addr.String(), "0"))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", to.Host.Name, err)
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer func() {
		if err != nil {
			for _, c := range conns {
				c.close()
			}
		}
	}()
	for range n {
		var d net.Dialer
		var client, server net.Conn
		err := from.Host.Run(func() (err error) {
			client, err = d.DialContext(ctx, "tcp", l.Addr().String())
			return err
		})
		if err != nil {
			return conns, fmt.Errorf("connect from %s: %w", from.Host.Name, err)
		}
		if server, err = l.Accept(); err != nil {
			client.Close()
			return conns, fmt.Errorf("accept on %s: %w", to.Host.Name, err)
		}
		var c conn
		if c.client, err = blocking(client.(*net.TCPConn)); err == nil {
			c.server, err = blocking(server.(*net.TCPConn))
		}
		conns = append(conns, c)
		if err != nil {
			return conns, err
		}
	}
	return conns, nil
}

// socket is what package net gives.
type socket interface {
	syscall.Conn
	io.Closer
}

// blocking takes a socket out of Go's poller, for raw calls. It takes ownership of
// c.
//
// The poller must not know the descriptor that it gives, either: it would have a
// thread woken for everything that arrives, beside the one that waits for it.
func blocking(c socket) (*os.File, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var own int
	failed := raw.Control(func(fd uintptr) {
		own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	// Before there is a File: one of a socket that does not block is polled.
	if err := errors.Join(unix.SetNonblock(own, false), boundWaits(own)); err != nil {
		unix.Close(own)
		return nil, err
	}
	return os.NewFile(uintptr(own), "socket"), nil
}

// shutdown ends what either side waits for.
func (c *conn) shutdown() {
	for _, f := range []*os.File{c.client, c.server} {
		_ = unix.Shutdown(int(f.Fd()), unix.SHUT_RDWR) // the other end may be first
	}
}

func (c *conn) close() {
	for _, f := range []*os.File{c.client, c.server} {
		if f != nil {
			_ = f.Close()
		}
	}
}
