package netnstest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"weft/internal/netns"
)

// transferDeadline bounds a TCP transfer: long for a slow machine, short
// enough that a stuck one is reported before go test's own limit.
const transferDeadline = 60 * time.Second

// TransferTCP sends random bytes over one connection to addr, an address of
// the host to, and compares the SHA-256 of what went in with that of what came
// out. It gives the throughput in bits per second of payload.
func TransferTCP(t testing.TB, from, to *Host, addr string, size int) float64 {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	var n int64
	got := sha256.New()
	start := time.Now()
	err := netns.Transfer(from, to, addr, transferDeadline,
		func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		},
		func(r io.Reader) (err error) {
			n, err = io.Copy(got, r)
			return err
		})
	took := time.Since(start)
	if err != nil {
		t.Fatalf("of %d bytes %d arrived: %v", size, n, err)
	}
	if want := sha256.Sum256(data); n != int64(size) || [sha256.Size]byte(got.Sum(nil)) != want {
		t.Fatalf("%s to %s: sent %d bytes with SHA-256 %x, received %d with %x", from.Name, to.Name, size, want, n, got.Sum(nil))
	}
	return float64(size) * 8 / took.Seconds()
}

// UDPEcho sends datagrams of the given sizes (bytes of payload) to addr, an
// address of the host to, has each sent back, and compares the content. UDP
// may lose one; it is repeated for five seconds.
func UDPEcho(t testing.TB, from, to *Host, addr string, sizes ...int) {
	t.Helper()
	s, err := to.ListenUDP(net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, peer, err := s.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			_, _ = s.WriteTo(buf[:n], peer)
		}
	}()
	c, err := from.DialUDP(s.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range sizes {
		if err := echoOnce(c, size); err != nil {
			t.Fatalf("%s to %s: datagram of %d bytes: %v", from.Name, to.Name, size, err)
		}
	}
}

func echoOnce(c net.Conn, size int) error {
	const (
		within = 5 * time.Second
		again  = 500 * time.Millisecond
	)
	want, buf := make([]byte, size), make([]byte, 1<<16)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)}).Read(want)
	for end := time.Now().Add(within); time.Now().Before(end); {
		if _, err := c.Write(want); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(again)); err != nil {
			return err
		}
		for {
			n, err := c.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if n != size {
				continue // a late answer to a repetition
			}
			if !bytes.Equal(buf[:n], want) {
				return errors.New("came back changed")
			}
			return nil
		}
	}
	return fmt.Errorf("no answer in %v", within)
}
