package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// counter counts the test frames of one trial that an interface receives, in
// the kernel: a packet(7) socket whose receive buffer is full drops each
// further frame that its filter accepts, and counts it (PACKET_STATISTICS),
// before it would clone or queue anything. Full or not, accepted frames are
// counted once each, so the count is exact and costs a filter run a frame and
// no wake-up.
//
// A device may deliver a run of frames as one superframe (UDP GSO), as a TAP
// with offloads does. Those go to a second socket with a ring that keeps
// nothing but their length, from which the number of frames follows.
type counter struct {
	whole, trains int // sockets
	ring          []byte
	slot          int // of the ring, to be read next
	payload       int // bytes of UDP payload of one frame

	frames uint64 // counted so far
}

const (
	// ringSlot is the bytes of one superframe's record: struct tpacket2_hdr
	// and struct sockaddr_ll, aligned, and what is kept of the frame.
	ringSlot = 128
	// ringSlots holds the superframes of 100 ms at 650 thousand a second,
	// which is more of them than two cores make. 8 MiB.
	ringSlots = 1 << 16
	ringBlock = 1 << 16 // bytes; the kernel wants whole pages
	// keep is how much of a frame a filter lets through: it cannot be nothing.
	keep = 1
)

// newCounter counts frames of a trial, to the station with this MAC or, with
// nil, to any. Without trains it takes no superframes, which shortest frames one
// at a time do not become, and needs no memory.
func newCounter(e End, to []byte, trial uint32, frameLen int, trains bool) (*counter, error) {
	c := &counter{whole: -1, trains: -1, payload: frameLen - headersLen}
	err := e.Host.Run(func() error {
		i, err := net.InterfaceByName(e.IfName)
		if err != nil {
			return err
		}
		if trains {
			if c.trains, err = receiver(i.Index, filter(bpf.JumpGreaterThan, frameLen, to, trial), c.makeRing); err != nil {
				return err
			}
		}
		c.whole, err = receiver(i.Index, filter(bpf.JumpEqual, frameLen, to, trial), func(fd int) error {
			// 0 becomes the least the kernel allows: one frame or two.
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
		})
		return err
	})
	if err != nil {
		c.close()
		return nil, fmt.Errorf("count on %s:%s: %w", e.Host.Name, e.IfName, err)
	}
	return c, nil
}

// receiver opens a packet socket on an interface. It receives IPv4 frames only
// from the moment it is bound, when filter and buffer are in place.
func receiver(ifindex int, filter []bpf.Instruction, prepare func(fd int) error) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = attach(fd, filter)
	if err == nil {
		err = prepare(fd)
	}
	if err == nil {
		ipv4 := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: ifindex}))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return os.NewSyscallError("attach filter", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

// filter accepts frames whose length compares so with frameLen, of this trial
// and, unless it is nil, to this MAC.
func filter(length bpf.JumpTest, frameLen int, to []byte, trial uint32) []bpf.Instruction {
	type check struct {
		load bpf.Instruction
		cond bpf.JumpTest
		val  uint32
	}
	checks := []check{
		{bpf.LoadExtension{Num: bpf.ExtLen}, length, uint32(frameLen)},
		{bpf.LoadAbsolute{Off: trialAt, Size: 4}, bpf.JumpEqual, trial},
	}
	if to != nil {
		checks = append(checks,
			check{bpf.LoadAbsolute{Off: 2, Size: 4}, bpf.JumpEqual, binary.BigEndian.Uint32(to[2:])},
			check{bpf.LoadAbsolute{Off: 0, Size: 2}, bpf.JumpEqual, uint32(binary.BigEndian.Uint16(to))})
	}
	var prog []bpf.Instruction
	for i, c := range checks {
		// On failure past the other checks, two instructions each, and the
		// acceptance.
		past := uint8(2*(len(checks)-1-i) + 1)
		prog = append(prog, c.load, bpf.JumpIf{Cond: c.cond, Val: c.val, SkipFalse: past})
	}
	return append(prog, bpf.RetConstant{Val: keep}, bpf.RetConstant{Val: 0})
}

func (c *counter) makeRing(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2)
	if err == nil {
		err = unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq{
			Block_size: ringBlock, Block_nr: ringSlots * ringSlot / ringBlock,
			Frame_size: ringSlot, Frame_nr: ringSlots,
		})
	}
	if err == nil {
		c.ring, err = unix.Mmap(fd, 0, ringSlots*ringSlot, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	return os.NewSyscallError("make ring", err)
}

// errTrains says that the ring of superframes was too small.
var errTrains = errors.New("superframes came faster than they were counted")

// read gives the number of frames since the counter was made. Call it at least
// ten times a second, for the ring's sake.
func (c *counter) read() (uint64, error) {
	s, err := unix.GetsockoptTpacketStats(c.whole, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, os.NewSyscallError("read PACKET_STATISTICS", err)
	}
	c.frames += uint64(s.Packets) // the dropped ones included; reading resets it
	if c.trains < 0 {
		return c.frames, nil
	}
	for {
		h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&c.ring[c.slot*ringSlot]))
		if atomic.LoadUint32(&h.Status)&unix.TP_STATUS_USER == 0 {
			break
		}
		c.frames += uint64((int(h.Len) - headersLen + c.payload - 1) / c.payload)
		atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
		c.slot = (c.slot + 1) % ringSlots
	}
	if s, err = unix.GetsockoptTpacketStats(c.trains, unix.SOL_PACKET, unix.PACKET_STATISTICS); err != nil {
		return 0, os.NewSyscallError("read PACKET_STATISTICS", err)
	}
	if s.Drops != 0 {
		return 0, errTrains
	}
	return c.frames, nil
}

func (c *counter) close() {
	if c.ring != nil {
		_ = unix.Munmap(c.ring)
	}
	for _, fd := range []int{c.whole, c.trains} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
