package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/internal/netns"
	"weft/internal/vectorio"
)

// receiver collects what arrives at any number of sockets. A frame has arrived
// when the kernel has stamped it, which is when the daemon writes it to the TAP;
// the sockets are emptied once in a while only, so that a hundred of them do not
// take the processors from what is measured.
type receiver struct {
	fds  []int
	stop chan struct{}
	done sync.WaitGroup

	// Until wait they are the goroutine's.
	delays      []time.Duration
	numbers     []int
	bytes       int
	first, last int64 // when the kernel stamped, in ns since 1970

	msgs [64]vectorio.Msg
	iov  [64]unix.Iovec
	data [64][2048]byte
	oob  [64][64]byte
}

// emptyEvery is often enough for a socket's default buffer, some 270 small
// frames, at 50,000 frames a second.
const emptyEvery = time.Millisecond

// bufferLen is what a socket is to hold, in bytes, while the receiver is kept
// from running; the system may give less.
const bufferLen = 8 << 20

func newReceiver(expected int) *receiver {
	r := &receiver{stop: make(chan struct{}), delays: make([]time.Duration, 0, expected), numbers: make([]int, 0, expected)}
	for i := range r.msgs {
		r.iov[i] = vectorio.Part(r.data[i][:])
		r.msgs[i].Hdr.Iov = &r.iov[i]
		r.msgs[i].Hdr.SetIovlen(1)
		r.msgs[i].Hdr.Control = &r.oob[i][0]
	}
	return r
}

// listen adds a socket of the host.
func (r *receiver) listen(h *netns.Host, at netip.AddrPort) error {
	return h.Run(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("make socket: %w", err)
		}
		r.fds = append(r.fds, fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferLen); err != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferLen) // as far as an ordinary user may
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return fmt.Errorf("ask for time stamps: %w", err)
		}
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	})
}

// start empties the sockets until wait.
func (r *receiver) start() {
	r.done.Go(func() {
		for {
			select {
			case <-r.stop:
				r.empty()
				return
			default:
			}
			sleepUntil(time.Now().Add(emptyEvery))
			r.empty()
		}
	})
}

// wait ends what start began.
func (r *receiver) wait() {
	close(r.stop)
	r.done.Wait()
	r.close()
}

func (r *receiver) close() {
	for _, fd := range r.fds {
		_ = unix.Close(fd)
	}
	r.fds = nil
}

func (r *receiver) empty() {
	for _, fd := range r.fds {
		for n := len(r.msgs); n == len(r.msgs); {
			for i := range r.msgs {
				r.msgs[i].Hdr.SetControllen(len(r.oob[i]))
			}
			n, _ = vectorio.Recvmmsg(fd, r.msgs[:]) // EAGAIN is the end
			for i := range n {
				r.take(r.data[i][:r.msgs[i].N], r.oob[i][:r.msgs[i].Hdr.Controllen])
			}
		}
	}
	runtime.KeepAlive(r)
}

// take counts a datagram. oob is a struct cmsghdr with a struct timespec of two
// 64-bit words.
func (r *receiver) take(data, oob []byte) {
	const header = int(unsafe.Sizeof(unix.Cmsghdr{}))
	if len(data) < payload || len(oob) < header+16 {
		return // what had addresses resolved
	}
	at := int64(binary.NativeEndian.Uint64(oob[header:]))*int64(time.Second) + int64(binary.NativeEndian.Uint64(oob[header+8:]))
	if r.first == 0 {
		r.first = at
	}
	r.last = at
	sent, number := read(data)
	r.delays = append(r.delays, time.Duration(at-sent))
	r.numbers = append(r.numbers, number)
	r.bytes += len(data)
}
