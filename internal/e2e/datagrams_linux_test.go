package e2e

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/internal/netnstest"
)

// What a program sends in one call (UDP_SEGMENT) crosses both routers and comes
// out in one piece for who asks for that (UDP_GRO), and as the datagrams that it
// is for who does not.
func TestDatagramsInOnePiece(t *testing.T) {
	const segment, count = 100, 20
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	whole := 0
	for _, f := range ask[ctl.Status](p.b, "status").Features {
		if (f.Name == "tap_uso" || f.Name == "udp_gro") && f.Enabled {
			whole++
		}
	}
	sent := make([]byte, segment*count)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	for _, c := range []struct {
		name string
		gro  int
		want int // bytes of a read
	}{
		{"whole", 1, len(sent)},
		{"cut", 0, segment},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.gro == 1 && whole < 2 {
				c.want = segment // without USO or GRO nothing is put together
			}
			server, client := datagramSockets(t, p.web2, p.web1, c.gro, segment)
			var got []byte
			netnstest.Poll(t, patience, func() bool { // UDP may lose some
				if _, err := client.Write(sent); err != nil {
					t.Fatal(err)
				}
				got = got[:0]
				for len(got) < len(sent) {
					data := receive(t, server, c.want, segment)
					if data == nil {
						break
					}
					got = append(got, data...)
				}
				return bytes.Equal(got, sent)
			}, "all datagrams arrive in their order")
		})
	}
}

// datagramSockets gives a socket that receives, with UDP_GRO or without, and one
// that sends to it, in segments.
func datagramSockets(t *testing.T, to, from *netnstest.Host, gro, segment int) (server, client *net.UDPConn) {
	t.Helper()
	l, err := to.ListenUDP("10.77.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := from.DialUDP(l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, client = l.(*net.UDPConn), c.(*net.UDPConn)
	setUDP(t, server, unix.UDP_GRO, gro)
	setUDP(t, client, unix.UDP_SEGMENT, segment)
	return server, client
}

func setUDP(t *testing.T, c syscall.Conn, option, value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_UDP, option, value) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// receive reads once and expects so many bytes, in segments if they are several.
// It gives nil when there is nothing for a while.
func receive(t *testing.T, c *net.UDPConn, want, segment int) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	data, oob := make([]byte, 1<<16), make([]byte, 128)
	n, oobLen, _, _, err := c.ReadMsgUDP(data, oob)
	if os.IsTimeout(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Fatalf("a read of %d bytes, want %d", n, want)
	}
	if n > segment {
		msgs, err := unix.ParseSocketControlMessage(oob[:oobLen])
		if err != nil || len(msgs) != 1 || msgs[0].Header.Type != unix.UDP_GRO || binary.NativeEndian.Uint32(msgs[0].Data) != uint32(segment) {
			t.Errorf("control messages %v (%v), want segments of %d", msgs, err, segment)
		}
	}
	return data[:n]
}
