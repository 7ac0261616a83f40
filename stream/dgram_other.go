//go:build !linux

package stream

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"weft/frame"
)

const sendMany = frame.BatchSize // frames between two looks at the socket

// dgramRx reads a datagram at a time.
type dgramRx struct {
	dgram *Dgram
	mem   []byte
}

func newDgramRx(d *Dgram) *dgramRx {
	return &dgramRx{dgram: d, mem: make([]byte, frame.Headroom+maxFrame)}
}

// ReadBatch reads one datagram.
func (r *dgramRx) ReadBatch(b *frame.Batch) error {
	b.Reset()
	for {
		n, err := r.dgram.conn.Read(r.mem[frame.Headroom:])
		switch {
		case err == nil:
			r.dgram.heard()
			b.Next().Set(r.mem[:frame.Headroom+n], frame.Headroom)
			return nil
		case errors.Is(err, net.ErrClosed):
			return os.ErrClosed
		case errors.Is(err, syscall.ECONNREFUSED):
			r.dgram.refused.Store(true)
		default:
			return fmt.Errorf("the socket failed: %w", rootCause(err))
		}
	}
}

// sender sends a datagram at a time.
type sender struct {
	to   syscall.Sockaddr // nil for a connected socket
	bufs []*frame.Buf
	flat []byte
}

func (s *sender) init(path string) {
	if path != "" {
		s.to = &syscall.SockaddrUnix{Name: path}
	}
}

func (s *sender) load(bufs []*frame.Buf) { s.bufs = bufs }

func (s *sender) send(fd uintptr, i int) (int, error) {
	p := s.bufs[i].Flat(s.flat)
	var err error
	if s.to != nil {
		err = syscall.Sendto(int(fd), p, 0, s.to)
	} else {
		_, err = syscall.Write(int(fd), p)
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// connectPath is Linux's: the address in VDE's request is as it has it.
func connectPath(uintptr, string) error { return errors.ErrUnsupported }
