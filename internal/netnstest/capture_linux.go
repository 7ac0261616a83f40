package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// captureBuffer holds some thousands of frames while the test does other
// things, in bytes.
const captureBuffer = 8 << 20

// Capture sees every frame that an interface receives or sends, from the
// moment it is made. Superframes are whole. It is for one goroutine.
type Capture struct {
	t  testing.TB
	fd int
}

// NewCapture starts to capture; it ends with the test.
func NewCapture(t testing.TB, h *Host, ifname string) *Capture {
	t.Helper()
	c := &Capture{t: t, fd: packetSocket(t, h, ifname, unix.ETH_P_ALL)}
	t.Cleanup(func() { _ = unix.Close(c.fd) })
	err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer)
	if errors.Is(err, unix.EPERM) { // in a user namespace: up to net.core.rmem_max
		err = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, captureBuffer)
	}
	if err == nil {
		err = unix.SetsockoptInt(c.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)
	}
	if err != nil {
		t.Fatalf("capture on %s:%s: %v", h.Name, ifname, err)
	}
	return c
}

// WaitFor gives the first frame, of those not looked at before, that match
// accepts, and fails the test when none comes within the time.
func (c *Capture) WaitFor(match func(gopacket.Packet) bool, within time.Duration) gopacket.Packet {
	c.t.Helper()
	for end := time.Now().Add(within); ; {
		p := c.Next(time.Until(end))
		if p == nil {
			c.t.Fatalf("no such frame within %v", within)
		}
		if match(p) {
			return p
		}
	}
}

// Never fails the test when a frame that match accepts comes within the time.
func (c *Capture) Never(match func(gopacket.Packet) bool, within time.Duration) {
	c.t.Helper()
	end := time.Now().Add(within)
	for p := c.Next(time.Until(end)); p != nil; p = c.Next(time.Until(end)) {
		if match(p) {
			c.t.Fatalf("this frame should not have been seen:\n%v", p)
		}
	}
}

// Next gives the next frame, nil when none comes within the time.
func (c *Capture) Next(within time.Duration) gopacket.Packet {
	c.t.Helper()
	data, err := c.read(within)
	if err != nil {
		c.t.Fatalf("capture: %v", err)
	}
	if data == nil {
		return nil
	}
	return gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
}

func (c *Capture) read(within time.Duration) ([]byte, error) {
	end := time.Now().Add(within)
	buf, oob := make([]byte, 1<<17), make([]byte, 128)
	for {
		n, on, _, _, err := unix.Recvmsg(c.fd, buf, oob, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			return withTag(buf[:n], oob[:on]), nil
		case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.EINTR):
			continue // the interface went down; it may come back
		case !errors.Is(err, unix.EAGAIN):
			return nil, err
		}
		// Rounded up: a wait of less than a millisecond is not a busy loop.
		left := time.Until(end) + time.Millisecond
		if left < time.Millisecond {
			return nil, nil
		}
		fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return nil, err
		}
	}
}

// withTag puts the 802.1Q tag back that the kernel keeps beside the bytes
// (struct tpacket_auxdata in packet(7)).
func withTag(data, oob []byte) []byte {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return data
	}
	for _, m := range msgs {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data[0:])
		if status&unix.TP_STATUS_VLAN_VALID == 0 || len(data) < 12 {
			continue
		}
		tpid := uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = binary.NativeEndian.Uint16(m.Data[18:])
		}
		tagged := append([]byte(nil), data[:12]...)
		tagged = binary.BigEndian.AppendUint16(tagged, tpid)
		tagged = binary.BigEndian.AppendUint16(tagged, binary.NativeEndian.Uint16(m.Data[16:]))
		return append(tagged, data[12:]...)
	}
	return data
}

// Inject sends frames, Ethernet header first, out of an interface.
func Inject(t testing.TB, h *Host, ifname string, frames ...[]byte) {
	t.Helper()
	fd := packetSocket(t, h, ifname, 0) // 0: receives nothing
	defer unix.Close(fd)
	for _, f := range frames {
		if err := unix.Send(fd, f, 0); err != nil {
			t.Fatalf("inject %d bytes into %s:%s: %v", len(f), h.Name, ifname, err)
		}
	}
}

// packetSocket opens a packet(7) socket that is bound to the interface.
func packetSocket(t testing.TB, h *Host, ifname string, proto uint16) int {
	t.Helper()
	var fd int
	err := h.Run(func() error {
		i, err := net.InterfaceByName(ifname)
		if err != nil {
			return fmt.Errorf("%s: %w", ifname, err)
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		network := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, proto))
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: i.Index}); err != nil {
			_ = unix.Close(fd)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatalf("packet socket on %s:%s: %v", h.Name, ifname, err)
	}
	return fd
}
