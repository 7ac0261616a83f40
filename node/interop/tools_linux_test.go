package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/internal/ethtool"
	"weft/internal/netnstest"
)

// Commands of SIOCETHTOOL that switch an offload (linux/ethtool.h).
const (
	ethtoolTxChecksum = 0x17
	ethtoolTSO        = 0x1f
	ethtoolGSO        = 0x24
	ethtoolGRO        = 0x2c
)

// turnOff switches an offload of an interface off.
func turnOff(t testing.TB, h *netnstest.Host, ifname string, command uint32) {
	t.Helper()
	switchOffload(t, h, ifname, command, false)
}

func switchOffload(t testing.TB, h *netnstest.Host, ifname string, command uint32, on bool) {
	t.Helper()
	err := h.Run(func() error {
		e, err := ethtool.Open(ifname)
		if err != nil {
			return err
		}
		defer e.Close()
		value := uint32(0)
		if on {
			value = 1
		}
		// struct ethtool_value
		return e.Ask(binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, command), value))
	})
	// A device that does not know the offload does without it anyway.
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		t.Fatalf("%s:%s: switch offload %#x: %v", h.Name, ifname, command, err)
	}
}

// udpTrain sends several datagrams in one call, for the kernel or whoever is
// last to cut (UDP_SEGMENT), and wants each of them at addr, an address of to.
// UDP may lose some; then all are sent again.
func udpTrain(t *testing.T, from, to *netnstest.Host, addr string) {
	t.Helper()
	const segment, last, count = 1200, 77, 20
	server, err := to.ListenUDP(net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := from.DialUDP(server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	raw, err := client.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		sockErr = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, segment)
	})
	if err := errors.Join(err, sockErr); err != nil {
		t.Fatal(err)
	}

	buf := make([]byte, 1<<16)
	for end, round := time.Now().Add(patience), byte(1); ; round++ {
		train := make([]byte, (count-1)*segment+last)
		for i := range train {
			train[i] = byte(i/segment)*7 ^ byte(i) ^ round*31
		}
		if _, err := client.Write(train); err != nil {
			t.Fatal(err)
		}
		if err := server.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		for rest := train; ; {
			n, _, err := server.ReadFrom(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			want := rest[:min(segment, len(rest))]
			if !bytes.Equal(buf[:n], want) {
				if n != segment && n != last {
					t.Fatalf("%s to %s: a datagram of %d bytes, sent were %d and %d", from.Name, to.Name, n, segment, last)
				}
				continue // of a round before, or one was lost
			}
			if rest = rest[len(want):]; len(rest) == 0 {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%s to %s: the datagrams of one send never all arrived", from.Name, to.Name)
		}
	}
}
