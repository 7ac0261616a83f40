package perf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"weft/perf/load"
)

const (
	// sprayWindow frames are on their way at most, half of what a TAP queues.
	// Without that bound the sender would take the processor from what it
	// measures.
	sprayWindow = 512
	sprayBurst  = 64
	// sprayLost is how long frames may be on their way before they are given
	// up; a whole window takes about 10 ms through the slowest switch.
	sprayLost = 100 * time.Millisecond
	// testEtherType is for local experiments (IEEE 802); no kernel takes it.
	testEtherType = 0x88b5
)

// station is the n-th of many made-up stations. Numbers next to each other
// give addresses that are not: the multiplier is odd, so no two are the same.
func station(n int) net.HardwareAddr {
	return binary.BigEndian.AppendUint32([]byte{0x02, 0x5e}, uint32(n)*0x9e3779b1)
}

// sprayed is what spray did.
type sprayed struct {
	sent, received int
	took           time.Duration
}

func (s sprayed) rate() float64 { return float64(s.received) / s.took.Seconds() }

// spray sends minimal frames from one client to the other for a time or until
// it has sent limit, 0 for no limit. fill writes the i-th frame's headers. It goes
// as fast as they arrive.
func spray(ctx context.Context, from, to load.End, d time.Duration, limit int, fill func(i int, frame []byte)) (s sprayed, err error) {
	var fd int
	err = from.Host.Run(func() error {
		link, err := net.InterfaceByName(from.IfName)
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index})
	})
	if err != nil {
		return s, fmt.Errorf("send from %s: %w", from.Host.Name, err)
	}
	defer unix.Close(fd)
	before, err := arrived(to)
	if err != nil {
		return s, err
	}
	frame := make([]byte, load.MinFrameLen)
	binary.BigEndian.PutUint16(frame[12:], testEtherType)
	start := time.Now()
	progress, lost := start, 0
	for {
		now, err := arrived(to)
		if err != nil {
			return s, err
		}
		if n := int(now - before); n > s.received {
			s.received, progress = n, time.Now()
		}
		s.took = time.Since(start)
		finished := s.took >= d || limit > 0 && s.sent >= limit
		if ctx.Err() != nil || finished && s.received+lost >= s.sent {
			return s, ctx.Err()
		}
		if time.Since(progress) > sprayLost {
			lost, progress = s.sent-s.received, time.Now()
			continue
		}
		if finished || s.sent-s.received-lost > sprayWindow-sprayBurst {
			time.Sleep(20 * time.Microsecond)
			continue
		}
		for range sprayBurst {
			fill(s.sent, frame)
			// A full queue is a lost frame, which the window makes rare.
			if err := unix.Send(fd, frame, 0); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return s, fmt.Errorf("send from %s: %w", from.Host.Name, err)
			}
			s.sent++
		}
	}
}

// address sets the addresses of a frame.
func address(frame []byte, dst, src net.HardwareAddr) {
	copy(frame[0:6], dst)
	copy(frame[6:12], src)
}

// flow makes a frame the one of a UDP flow, of 65,536.
func flow(frame []byte, n int) {
	const ip, udp = 14, 34
	copy(frame[ip-2:], []byte{0x08, 0x00, 0x45, 0})
	binary.BigEndian.PutUint16(frame[ip+2:], uint16(len(frame)-ip))
	copy(frame[ip+8:], []byte{64, unix.IPPROTO_UDP, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}) // RFC 5737
	binary.BigEndian.PutUint16(frame[udp:], uint16(n))
	binary.BigEndian.PutUint16(frame[udp+4:], uint16(len(frame)-udp))
}

// arrived is how many frames the client's interface has received so far.
func arrived(e load.End) (uint64, error) {
	link, err := e.Host.Netlink().LinkByName(e.IfName)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Statistics.RxPackets, nil
}
