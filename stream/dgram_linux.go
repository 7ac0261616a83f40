package stream

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/internal/vectorio"
)

const (
	sendMany = frame.BatchSize // datagrams of one sendmmsg
	recvMany = 32              // of one recvmmsg

	// slotLen is the memory for one datagram. The whole, two megabytes, costs
	// no more than what frames of the usual size touch of it. The odd part
	// keeps the slots from falling on the same lines of the cache.
	slotLen = frame.Headroom + maxFrame + 192
)

// dgramRx reads many datagrams at once, each to where it stays.
type dgramRx struct {
	dgram *Dgram
	mem   []byte
	iov   [recvMany]unix.Iovec
	msgs  [recvMany]vectorio.Msg

	n    int
	err  error
	bind func(fd uintptr) bool // r.recv, bound once so that a read allocates nothing
}

func newDgramRx(d *Dgram) *dgramRx {
	r := &dgramRx{dgram: d, mem: make([]byte, recvMany*slotLen)}
	for i := range r.msgs {
		r.iov[i] = vectorio.Part(r.mem[i*slotLen+frame.Headroom:][:maxFrame])
		r.msgs[i].Hdr.Iov = &r.iov[i]
		r.msgs[i].Hdr.SetIovlen(1)
	}
	r.bind = r.recv
	return r
}

// ReadBatch gives the datagrams that are there, or waits for one; vswitch.Rx
// has the contract.
func (r *dgramRx) ReadBatch(b *frame.Batch) error {
	b.Reset()
	r.n, r.err = 0, nil
	if r.dgram.raw.Read(r.bind) != nil {
		return os.ErrClosed // in one of two wordings of the runtime's
	}
	if r.err != nil {
		return r.err
	}
	r.dgram.heard()
	for i := range r.msgs[:r.n] {
		n := int(r.msgs[i].N)
		if r.msgs[i].Hdr.Flags&unix.MSG_TRUNC != 0 {
			n = 0 // longer than any frame: counted as malformed
		}
		end := i*slotLen + frame.Headroom + n
		b.Next().Set(r.mem[i*slotLen:end:end], frame.Headroom)
	}
	return nil
}

// recv reports false when there is nothing, so that the runtime's poller waits
// and calls again.
func (r *dgramRx) recv(fd uintptr) bool {
	for {
		n, errno := vectorio.Recvmmsg(int(fd), r.msgs[:])
		switch errno {
		case 0:
			r.n = n
			return true
		case unix.EAGAIN:
			return false
		case unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN:
			r.dgram.refused.Store(true) // what a datagram met that was sent
		default:
			r.err = fmt.Errorf("the socket failed: %w", errno)
			return true
		}
	}
}

// sender is the scratch memory of sendmmsg.
type sender struct {
	name    unix.RawSockaddrUnix
	nameLen uint32
	iov     []unix.Iovec
	msgs    [sendMany]vectorio.Msg
	n       int
}

// init takes the path that everything is sent to, "" for a connected socket.
// It is not longer than sun_path: who has it has bound or checked it.
func (s *sender) init(path string) {
	if path == "" {
		return
	}
	s.name.Family = unix.AF_UNIX
	for i := range min(len(path), len(s.name.Path)-1) {
		s.name.Path[i] = int8(path[i])
	}
	s.nameLen = uint32(unsafe.Offsetof(s.name.Path)) + uint32(len(path)) + 1
}

// load describes the frames, at most sendMany, for send.
func (s *sender) load(bufs []*frame.Buf) {
	s.iov = s.iov[:0]
	for _, b := range bufs {
		s.iov = append(s.iov, vectorio.Part(b.Head()))
		for _, f := range b.Frags {
			s.iov = append(s.iov, vectorio.Part(f))
		}
	}
	s.n = len(bufs)
	for i, at := 0, 0; i < s.n; i++ {
		h := &s.msgs[i].Hdr
		parts := 1 + len(bufs[i].Frags)
		h.Iov = &s.iov[at]
		h.SetIovlen(parts)
		at += parts
		if s.nameLen > 0 {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.name)), s.nameLen
		}
	}
}

// send sends from the i-th frame on. It gives how many went before the first
// that did not, and, when that is the i-th, why.
func (s *sender) send(fd uintptr, i int) (int, error) {
	n, errno := vectorio.Sendmmsg(int(fd), s.msgs[i:s.n])
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

// connectPath connects a Unix socket.
func connectPath(fd uintptr, path string) error {
	return unix.Connect(int(fd), &unix.SockaddrUnix{Name: path})
}
