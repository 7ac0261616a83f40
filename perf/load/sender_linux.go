package load

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/internal/vectorio"
)

const (
	// maxBurst is the frames of one sendmmsg: enough that the system call's
	// own cost is a few per cent of theirs.
	maxBurst = 64
	// burstEvery is the time between bursts where maxBurst allows: a wake-up
	// costs some microseconds.
	burstEvery = 50 * time.Microsecond
	// maxLate is how far the generator may fall behind and still send what it
	// owes. More at once would be a burst that no paced tester makes.
	maxLate = time.Millisecond
	// sendBuffer is never filled by frames that leave one after the other.
	sendBuffer = 4 << 20
)

// outlet is a socket on an interface, with frames that are ready to leave and
// lack only what tells them apart. It is for one goroutine at a time.
type outlet struct {
	fd     int
	frames [maxBurst][]byte
	iovs   [maxBurst]unix.Iovec
	msgs   [maxBurst]vectorio.Msg
	seq    uint64
	// stamp makes a frame the one with this number; it does nothing at first.
	stamp func(f []byte, seq uint64)
}

// newOutlet builds each of the frames with build. They leave past the
// interface's queueing discipline: the frame is in the device when the call
// is over.
func newOutlet(e End, frameLen int, build func(f []byte)) (*outlet, error) {
	o := &outlet{fd: -1, stamp: func([]byte, uint64) {}}
	err := e.Host.Run(func() error {
		i, err := net.InterfaceByName(e.IfName)
		if err != nil {
			return err
		}
		if o.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("socket", err)
		}
		if err := unix.SetsockoptInt(o.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return os.NewSyscallError("PACKET_QDISC_BYPASS", err)
		}
		err = unix.SetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer)
		if errors.Is(err, unix.EPERM) { // in a user namespace: up to net.core.wmem_max
			err = unix.SetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		}
		if err != nil {
			return os.NewSyscallError("SO_SNDBUF", err)
		}
		// Protocol 0: it receives nothing.
		return os.NewSyscallError("bind", unix.Bind(o.fd, &unix.SockaddrLinklayer{Ifindex: i.Index}))
	})
	if err != nil {
		o.close()
		return nil, fmt.Errorf("send on %s:%s: %w", e.Host.Name, e.IfName, err)
	}
	// One piece of memory, each frame on cache lines of its own.
	stride := (frameLen + 63) &^ 63
	mem := make([]byte, maxBurst*stride)
	for i := range o.frames {
		f := mem[i*stride:][:frameLen:frameLen]
		build(f)
		o.frames[i] = f
		o.iovs[i] = vectorio.Part(f)
		o.msgs[i].Hdr.Iov = &o.iovs[i]
		o.msgs[i].Hdr.SetIovlen(1)
	}
	return o, nil
}

// send sends n frames, at most maxBurst, with the next numbers. It gives how
// many of them the device refused because its queue was full.
func (o *outlet) send(n int) (refused int, err error) {
	for i := range n {
		o.stamp(o.frames[i], o.seq)
		o.seq++
	}
	for i := 0; i < n; {
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(o.fd),
			uintptr(unsafe.Pointer(&o.msgs[i])), uintptr(n-i), 0, 0, 0)
		switch errno {
		case 0:
			i += int(r)
		case unix.ENOBUFS:
			refused++
			i++
		case unix.EINTR:
			runtime.Gosched()
		default:
			return refused, os.NewSyscallError("sendmmsg", errno)
		}
	}
	return refused, nil
}

func (o *outlet) close() {
	if o.fd >= 0 {
		_ = unix.Close(o.fd)
	}
}

// sender is one thread's paced part of a trial.
type sender struct {
	outlets []*outlet // in turn, a burst each
	rate    float64   // frames a second, over all outlets
	// frames is how many to send in all, however late; 0 is as many as the
	// rate says, and those it is too late for are left out.
	frames uint64
	stop   atomic.Bool

	// Results, for others to read when run has returned.
	sent, refused, skipped uint64
	lag                    time.Duration
	took                   time.Duration
}

// run sends for the time d, all its frames, or until stop, whichever is first;
// a d of 0 is no limit. It wants a thread of its own.
func (s *sender) run(d time.Duration) error {
	burst := uint64(min(max(s.rate*burstEvery.Seconds(), 1), maxBurst))
	perFrame := float64(time.Second) / s.rate
	start := float64(monotonic())
	end := start + float64(d)
	// due is when the next burst should leave, in ns. As a float64 it is good
	// to a fraction of a microsecond for years of uptime.
	due := start
	for turn := 0; !s.stop.Load() && (d == 0 || due < end) && (s.frames == 0 || s.sent < s.frames); turn++ {
		now := float64(monotonic())
		if now < due {
			if err := sleepUntil(int64(due)); err != nil {
				return err
			}
			now = float64(monotonic())
		}
		s.lag = max(s.lag, time.Duration(now-due))
		if late := now - due - float64(maxLate); late > 0 {
			if d != 0 {
				late = min(late, end-due)
			}
			owed := uint64(late / perFrame)
			due += float64(owed) * perFrame
			if s.frames == 0 {
				s.skipped += owed
			}
		}
		n := burst
		if s.frames != 0 {
			n = min(n, s.frames-s.sent)
		}
		refused, err := s.outlets[turn%len(s.outlets)].send(int(n))
		if err != nil {
			return err
		}
		s.sent += n
		s.refused += uint64(refused)
		due += float64(n) * perFrame
	}
	s.took = time.Duration(max(float64(monotonic()), due) - start)
	return nil
}

// monotonic is CLOCK_MONOTONIC in ns.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}
