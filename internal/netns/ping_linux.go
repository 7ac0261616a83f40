package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// pingIDs tells pings that run at the same time apart.
var pingIDs atomic.Uint32

// tryAgain is how soon a request that could not be sent is repeated: the route
// comes within milliseconds after an interface is up.
const tryAgain = 50 * time.Millisecond

// pingPayload is what ping(8) sends by default, in bytes.
const pingPayload = 56

// Ping sends count ICMP echo requests to dst, one after the other, and gives
// the round trip of those that were answered before within was over. Each
// request is repeated every second. An error says why there were fewer.
func (h *Host) Ping(dst string, count int, within time.Duration) ([]time.Duration, error) {
	return h.PingSize(dst, count, pingPayload, within)
}

// PingSize is Ping with a payload of size bytes behind the ICMP header.
func (h *Host) PingSize(dst string, count, size int, within time.Duration) ([]time.Duration, error) {
	addr, err := netip.ParseAddr(dst)
	if err != nil {
		return nil, err
	}
	e := echo{dst: &net.IPAddr{IP: addr.AsSlice()}, id: int(pingIDs.Add(1) & 0xffff), size: size}
	network, local := "ip4:icmp", "0.0.0.0"
	e.request, e.reply = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if addr.Is6() {
		network, local = "ip6:ipv6-icmp", "::"
		e.request, e.reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	if err := h.Run(func() (err error) { e.conn, err = icmp.ListenPacket(network, local); return err }); err != nil {
		return nil, fmt.Errorf("ping %s: %w", dst, err)
	}
	defer e.conn.Close()

	var rtts []time.Duration
	end := time.Now().Add(within)
	for seq := range count {
		rtt, err := e.once(seq, end)
		if err != nil {
			return rtts, fmt.Errorf("ping %s: %d of %d answered: %w", dst, len(rtts), count, err)
		}
		rtts = append(rtts, rtt)
	}
	return rtts, nil
}

// MustPing is Ping that fails the test unless all are answered in ten seconds.
func (h *Host) MustPing(t TB, dst string, count int) {
	t.Helper()
	if _, err := h.Ping(dst, count, 10*time.Second); err != nil {
		t.Fatalf("from %s: %v", h.Name, err)
	}
}

// MustNotPing fails the test when dst answers within the time.
func (h *Host) MustNotPing(t TB, dst string, within time.Duration) {
	t.Helper()
	if rtts, _ := h.Ping(dst, 1, within); len(rtts) != 0 {
		t.Fatalf("%s answers %s, and should not", dst, h.Name)
	}
}

// echo is one running ping.
type echo struct {
	conn           *icmp.PacketConn
	dst            *net.IPAddr
	id, size       int
	request, reply icmp.Type
}

// once sends request seq until it is answered or the end has come.
func (e *echo) once(seq int, end time.Time) (time.Duration, error) {
	body := &icmp.Echo{ID: e.id, Seq: seq, Data: bytes.Repeat([]byte{byte(seq)}, e.size)}
	msg, err := (&icmp.Message{Type: e.request, Body: body}).Marshal(nil)
	if err != nil {
		return 0, err
	}
	for {
		sent := time.Now()
		if !sent.Before(end) {
			return 0, errors.New("no answer in time")
		}
		// Right after an interface came up there may be no route yet; that
		// passes, or the end comes.
		_, sendErr := e.conn.WriteTo(msg, e.dst)
		wait := sent.Add(time.Second)
		if sendErr != nil {
			wait = sent.Add(tryAgain)
		}
		if wait.After(end) {
			wait = end
		}
		ok, err := e.await(body, wait)
		if ok || err != nil {
			return time.Since(sent), err
		}
		if sendErr != nil && !time.Now().Before(end) {
			return 0, sendErr
		}
	}
}

// await reads until the answer to body comes or the time is over.
func (e *echo) await(body *icmp.Echo, until time.Time) (bool, error) {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return false, err
	}
	buf := make([]byte, 1<<16)
	for {
		n, from, err := e.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		m, err := icmp.ParseMessage(e.reply.Protocol(), buf[:n])
		if err != nil || m.Type != e.reply || !from.(*net.IPAddr).IP.Equal(e.dst.IP) {
			continue
		}
		if got, ok := m.Body.(*icmp.Echo); ok && got.ID == body.ID && got.Seq == body.Seq && bytes.Equal(got.Data, body.Data) {
			return true, nil
		}
	}
}
