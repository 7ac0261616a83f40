package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
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

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// outlet is a socket on an interface, with frames that are ready to leave and
// lack only a sequence number. It is for one goroutine at a time.
type outlet struct {
	fd     int
	frames [maxBurst][]byte
	iovs   [maxBurst]unix.Iovec
	msgs   [maxBurst]mmsghdr
	seq    uint64
}

// newOutlet builds each of the frames with build. They leave past the
// interface's queueing discipline: the frame is in the device when the call
// is over.
func newOutlet(e End, frameLen int, build func(f []byte, i int)) (*outlet, error) {
	o := &outlet{fd: -1}
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
		build(f, i)
		o.frames[i] = f
		o.iovs[i].Base = &f[0]
		o.iovs[i].SetLen(len(f))
		o.msgs[i].hdr.Iov = &o.iovs[i]
		o.msgs[i].hdr.SetIovlen(1)
	}
	return o, nil
}

// send sends n frames, at most maxBurst, with the next sequence numbers. It
// gives how many of them the device refused because its queue was full.
func (o *outlet) send(n int) (refused int, err error) {
	for i := range n {
		binary.NativeEndian.PutUint64(o.frames[i][seqAt:], o.seq)
		o.seq++
	}
	return o.flush(n)
}

// flush sends the first n frames as they are.
func (o *outlet) flush(n int) (refused int, err error) {
	for i := 0; i < n; {
		r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(o.fd),
			uintptr(unsafe.Pointer(&o.msgs[i])), uintptr(n-i), 0, 0, 0)
		switch errno {
		case 0:
			i += int(r)
		case unix.ENOBUFS: // the device's queue is full
			refused++
			i++
		case unix.EINTR:
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

// sender paces one direction of a trial.
type sender struct {
	outlets []*outlet // in turn, a burst each
	rate    float64   // frames a second, over all outlets
	stop    atomic.Bool

	// Results, for others to read when run has returned.
	sent, refused, skipped uint64
	lag                    time.Duration
	took                   time.Duration
}

// run sends for the time d, or until stop when d is 0. It wants a locked
// thread.
func (s *sender) run(d time.Duration) error {
	burst := min(max(int(s.rate*burstEvery.Seconds()), 1), maxBurst)
	perFrame := float64(time.Second) / s.rate
	start := monotonic()
	end := start + int64(d)
	// due is when the next burst should leave, in ns; the sum of many float64
	// is exact enough: a nanosecond in hours.
	due := float64(start)
	for turn := 0; !s.stop.Load(); turn++ {
		if d != 0 && int64(due) >= end {
			break
		}
		now := monotonic()
		if wait := int64(due) - now; wait > 0 {
			if err := sleepUntil(int64(due)); err != nil {
				return err
			}
			now = monotonic()
		}
		late := time.Duration(now - int64(due))
		s.lag = max(s.lag, late)
		if late > maxLate {
			owed := int(float64(late-maxLate) / perFrame)
			if d != 0 {
				owed = min(owed, int(float64(end-int64(due))/perFrame))
			}
			s.skipped += uint64(owed)
			due += float64(owed) * perFrame
		}
		refused, err := s.outlets[turn%len(s.outlets)].send(burst)
		if err != nil {
			return err
		}
		s.sent += uint64(burst)
		s.refused += uint64(refused)
		due += float64(burst) * perFrame
	}
	s.took = time.Duration(max(monotonic(), int64(due)) - start)
	if d != 0 {
		s.took = max(time.Duration(monotonic()-start), d)
	}
	return nil
}

// monotonic is CLOCK_MONOTONIC in ns.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}

// sleepUntil sleeps to a time of CLOCK_MONOTONIC.
func sleepUntil(ns int64) error {
	ts := unix.NsecToTimespec(ns)
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("clock_nanosleep", err)
		}
	}
}
