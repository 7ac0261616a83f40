package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// answerWithin is when a UDP request counts as lost, far above any round
	// trip in one machine.
	answerWithin = 200 * time.Millisecond
	// forever is a wait for a message without end.
	forever = 0
	// samplesAtFirst is memory for the round trips of ten seconds, so that it
	// seldom grows while measuring.
	samplesAtFirst = 1 << 20
	// rttWarmUp is left out, at most and as a share: address resolution,
	// learning, threads that start.
	rttWarmUp      = 200 * time.Millisecond
	rttWarmUpShare = 10
	// maxDatagram is what UDP over IPv4 carries (RFC 768), in bytes.
	maxDatagram = 65507
)

// Placement says where the clients of round trips run.
type Placement int

// The placements.
const (
	FirstCPU Placement = iota // both on the first CPU that there is
	AnyCPU                    // where the scheduler puts them
)

// prepare gives what puts a thread there, nil when that is nothing.
func (p Placement) prepare() func() error {
	if p == AnyCPU {
		return nil
	}
	return onFirstCPU
}

// RTT measures round trips of request and response: size bytes go from from to
// to and come back, one at a time, for the time d. proto is "tcp", with Nagle's
// algorithm off (TCP_NODELAY), or "udp". The first tenth, at most 200 ms, is not
// counted.
//
// A round trip is from before the request is written until after the response
// is read: with the clients' stacks and their wake-ups, as a program sees it. It
// is what netperf calls TCP_RR and UDP_RR, not the latency of RFC 2544 section
// 26.2, which is of frames in a stream at the throughput; for round trips
// under load run [StartLoad] beside it.
//
// With [FirstCPU] both clients stay on one: a wake-up of one by the other across
// CPUs takes several times as long as the rest of the way on a virtual machine,
// and whether there is one would be up to the scheduler, for each run anew; so
// that is the steadier figure, and [AnyCPU] what programs meet that nobody
// pinned. What is between the clients runs where it likes in either case. A ping-pong waits for each answer, so a
// stall is one slow sample however long it is.
func RTT(ctx context.Context, from, to End, proto string, size int, d time.Duration, at Placement) (Latency, error) {
	if size < 1 || size > maxDatagram {
		return Latency{}, fmt.Errorf("size %d: must be 1 to %d bytes", size, maxDatagram)
	}
	var (
		conns []conn
		err   error
	)
	switch proto {
	case "tcp":
		if conns, err = connect(ctx, from, to, 1); err == nil {
			err = noDelay(conns[0])
		}
	case "udp":
		var c conn
		c, err = connectUDP(from, to)
		conns = []conn{c}
	default:
		return Latency{}, fmt.Errorf("protocol %q: must be tcp or udp", proto)
	}
	if len(conns) > 0 {
		defer conns[0].close()
	}
	if err != nil {
		return Latency{}, err
	}
	p := pingPong{conn: conns[0], size: size, udp: proto == "udp", at: at}
	l, err := p.run(ctx, d)
	if err != nil {
		return l, fmt.Errorf("round trips from %s to %s over %s: %w", from.Host.Name, to.Host.Name, proto, err)
	}
	return l, nil
}

func noDelay(c conn) error {
	for _, f := range []*os.File{c.client, c.server} {
		if err := unix.SetsockoptInt(int(f.Fd()), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return os.NewSyscallError("TCP_NODELAY", err)
		}
	}
	return nil
}

// connectUDP makes two sockets that are connected to each other.
func connectUDP(from, to End) (c conn, err error) {
	s, err := to.Host.ListenUDP(net.JoinHostPort(to.Addr.String(), "0"))
	if err != nil {
		return c, err
	}
	server, err := blocking(s.(*net.UDPConn))
	if err != nil {
		return c, err
	}
	c.server = server
	u, err := from.Host.DialUDP(s.LocalAddr().String())
	if err == nil {
		c.client, err = blocking(u.(*net.UDPConn))
	}
	if err == nil {
		var peer unix.Sockaddr
		if peer, err = unix.Getsockname(int(c.client.Fd())); err == nil {
			err = unix.Connect(int(c.server.Fd()), peer)
		}
	}
	return c, err
}

// pingPong is one measurement.
type pingPong struct {
	conn
	size    int
	udp     bool
	at      Placement
	samples []uint32 // ns
	lost    int
}

// errDown is the end that this side asked for.
var errDown = errors.New("connection is down")

func (p *pingPong) run(ctx context.Context, d time.Duration) (Latency, error) {
	echo := onThread(p.at.prepare(), p.echo)
	ask := onThread(p.at.prepare(), func() error { return p.ask(d) })
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		p.shutdown()
	})
	err := <-ask
	if !stop() {
		<-cut // the sockets are about to be closed
	}
	p.shutdown()
	echoErr := <-echo
	switch {
	case ctx.Err() != nil:
		return Latency{}, ctx.Err()
	case err != nil && !errors.Is(err, errDown):
		return Latency{}, err
	case echoErr != nil && !errors.Is(echoErr, errDown):
		return Latency{}, echoErr
	case len(p.samples) == 0:
		return Latency{}, ErrNoPath
	}
	return latencyOf(p.samples, p.lost), nil
}

// ask sends a request and waits for the response, over and over.
func (p *pingPong) ask(d time.Duration) error {
	fd, buf := int(p.client.Fd()), make([]byte, p.size)
	p.samples = make([]uint32, 0, samplesAtFirst)
	begin := time.Now()
	counted := begin.Add(min(d/rttWarmUpShare, rttWarmUp))
	end := begin.Add(d)
	for now := begin; now.Before(end); {
		if err := sysWrite(fd, buf); err != nil {
			return err
		}
		err := p.read(fd, buf, answerWithin)
		answered := time.Now()
		switch {
		case errors.Is(err, unix.EAGAIN):
			if !now.Before(counted) {
				p.lost++
			}
			if err := p.forget(fd, buf); err != nil {
				return err
			}
		case err != nil:
			return err
		case !now.Before(counted):
			p.samples = append(p.samples, uint32(min(answered.Sub(now), math.MaxUint32)))
		}
		now = time.Now()
	}
	return nil
}

// forget drops late answers, which would be taken for those of the next
// requests.
func (p *pingPong) forget(fd int, buf []byte) error {
	for {
		_, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("recvfrom", err)
		}
	}
}

// echo sends back what comes.
func (p *pingPong) echo() error {
	fd, buf := int(p.server.Fd()), make([]byte, p.size)
	for {
		if err := p.read(fd, buf, forever); err != nil {
			return err
		}
		if err := sysWrite(fd, buf); err != nil {
			return err
		}
	}
}

// read reads one message. An error that wraps EAGAIN says that a UDP one did not
// come in time.
func (p *pingPong) read(fd int, buf []byte, within time.Duration) error {
	var since time.Time
	for got := 0; got < len(buf); {
		n, err := sysRead(fd, buf[got:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			if since.IsZero() {
				since = time.Now().Add(-wakeEvery)
			}
			if p.udp && within != forever && time.Since(since) >= within {
				return err
			}
		case err != nil:
			return err
		case n == 0:
			return errDown
		case p.udp && n != len(buf):
			return fmt.Errorf("datagram of %d bytes where %d were sent", n, len(buf))
		default:
			got += n
		}
	}
	return nil
}
