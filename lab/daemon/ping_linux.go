package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/lab"
)

const (
	// pingWait is how long an answer to the last request may take.
	pingWait = time.Second
	// pingPayload is what ping(8) sends, in bytes.
	pingPayload = 56
)

// pingIDs tells pings that run at the same time apart.
var pingIDs atomic.Uint32

// echo sends requests and collects the answers.
type echo struct {
	conn    *icmp.PacketConn
	dst     *net.IPAddr
	id      int
	proto   int // as icmp.ParseMessage wants it
	request icmp.Type
	reply   icmp.Type
	payload []byte
}

// ping sends echo requests from a node, at the interval asked for whether they
// are answered or not (ICMP: RFC 792; ICMPv6: RFC 4443 section 4).
func (l *Lab) ping(ctx context.Context, r lab.PingRequest) (lab.PingResult, error) {
	s := l.spaceOf(r.From)
	if s == nil {
		return lab.PingResult{}, l.noCommands(r.From)
	}
	addr, err := l.address(r.To)
	if err != nil {
		return lab.PingResult{}, ctl.Invalid("%v", err)
	}
	if r.Count <= 0 || r.Interval <= 0 || r.Size < 0 {
		return lab.PingResult{}, ctl.Invalid("ping: count and interval must be given")
	}
	if r.Size == 0 {
		r.Size = pingPayload
	}
	e := &echo{
		dst: &net.IPAddr{IP: addr.AsSlice()}, id: int(pingIDs.Add(1) & 0xffff), payload: make([]byte, r.Size),
		proto: 1, request: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply,
	}
	network, local := "ip4:icmp", "0.0.0.0"
	if addr.Is6() {
		network, local = "ip6:ipv6-icmp", "::"
		e.proto, e.request, e.reply = 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	err = s.Run(func() (err error) {
		e.conn, err = icmp.ListenPacket(network, local)
		return err
	})
	if err != nil {
		return lab.PingResult{}, err
	}
	defer e.conn.Close()
	return e.run(ctx, r), nil
}

// run sends, and reads until all is answered or the last request has had its
// time.
func (e *echo) run(ctx context.Context, r lab.PingRequest) lab.PingResult {
	sent := make([]time.Time, r.Count)
	answered := make([]bool, r.Count)
	result := lab.PingResult{}
	next, seq := time.Now(), 0
	buf := make([]byte, len(e.payload)+1500)
	var rtts []float64
	for ctx.Err() == nil && result.Received < r.Count {
		now := time.Now()
		if seq < r.Count && !now.Before(next) {
			sent[seq] = now
			if err := e.send(seq); err != nil {
				result.Problem = problem(err)
			}
			seq++
			next = next.Add(r.Interval)
			continue
		}
		until := next
		if seq == r.Count {
			until = sent[r.Count-1].Add(pingWait)
			if !now.Before(until) {
				break
			}
		}
		_ = e.conn.SetReadDeadline(until)
		n, _, err := e.conn.ReadFrom(buf)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				result.Problem = problem(err)
			}
			continue
		}
		got, ok := e.parse(buf[:n])
		if !ok || got >= seq || answered[got] {
			continue
		}
		answered[got] = true
		rtts = append(rtts, time.Since(sent[got]).Seconds())
		result.Received++
	}
	result.Sent = seq
	if len(rtts) > 0 {
		slices.Sort(rtts)
		result.MinRTT, result.Median, result.MaxRTT = rtts[0], rtts[len(rtts)/2], rtts[len(rtts)-1]
	}
	return result
}

func (e *echo) send(seq int) error {
	m := icmp.Message{Type: e.request, Body: &icmp.Echo{ID: e.id, Seq: seq & 0xffff, Data: e.payload}}
	b, err := m.Marshal(nil) // the kernel sums ICMPv6
	if err != nil {
		return err
	}
	_, err = e.conn.WriteTo(b, e.dst)
	return err
}

// parse gives the number of the request that a packet answers.
func (e *echo) parse(b []byte) (seq int, ok bool) {
	m, err := icmp.ParseMessage(e.proto, b)
	if err != nil || m.Type != e.reply {
		return 0, false
	}
	body, ok := m.Body.(*icmp.Echo)
	if !ok || body.ID != e.id {
		return 0, false
	}
	return body.Seq, true
}

// problem leaves out which call of the library it was.
func problem(err error) string {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}
