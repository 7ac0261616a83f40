package stream

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/frame"
)

const (
	sendMany = frame.BatchSize // datagrams of one sendmmsg
	recvMany = 32              // of one recvmmsg

	// slotLen is the memory for one datagram. The whole, two megabytes, costs
	// no more than what frames of the usual size touch of it. The odd part
	// keeps the slots from falling on the same lines of the cache.
	slotLen = frame.Headroom + maxFrame + 192
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// dgramRx reads many datagrams at once, each to where it stays.
type dgramRx struct {
	dgram *Dgram
	mem   []byte
	iov   [recvMany]unix.Iovec
	msgs  [recvMany]mmsghdr

	n    int
	err  error
	bind func(fd uintptr) bool // r.recv, bound once so that a read allocates nothing
}

func newDgramRx(d *Dgram) *dgramRx {
	r := &dgramRx{dgram: d, mem: make([]byte, recvMany*slotLen)}
	for i := range r.msgs {
		r.iov[i].Base = &r.mem[i*slotLen+frame.Headroom]
		r.iov[i].SetLen(maxFrame)
		r.msgs[i].hdr.Iov = &r.iov[i]
		r.msgs[i].hdr.SetIovlen(1)
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
		n := int(r.msgs[i].n)
		if r.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 {
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
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.msgs[0])), recvMany, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			r.n = int(n)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN:
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
	msgs    [sendMany]mmsghdr
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
		s.add(b.Head())
		for _, f := range b.Frags {
			s.add(f)
		}
	}
	s.n = len(bufs)
	for i, at := 0, 0; i < s.n; i++ {
		h := &s.msgs[i].hdr
		parts := 1 + len(bufs[i].Frags)
		h.Iov = &s.iov[at]
		h.SetIovlen(parts)
		at += parts
		if s.nameLen > 0 {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.name)), s.nameLen
		}
	}
}

func (s *sender) add(p []byte) {
	part := unix.Iovec{Base: unsafe.SliceData(p)}
	part.SetLen(len(p))
	s.iov = append(s.iov, part)
}

// send sends from the i-th frame on. It gives how many went before the first
// that did not, and, when that is the i-th, why.
func (s *sender) send(fd uintptr, i int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.msgs[i])), uintptr(s.n-i), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
