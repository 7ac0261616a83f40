package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/internal/unixsock"
	"weft/stream"
	vswitch "weft/switch"
)

// dialEvery is the least time between two connections of a port that seeks its
// peer, so that one which accepts and hangs up at once is not hammered.
const dialEvery = time.Second

// ends are what the sources of this file have in common.
type ends struct{ listen, connect ctl.Endpoint }

// endsOf reads a valid spec.
func endsOf(s ctl.PortSpec) (e ends) {
	e.listen, _ = ctl.ParseEndpoint(s.Listen) // valid, or not there
	e.connect, _ = ctl.ParseEndpoint(s.Connect)
	return e
}

// change has nothing to do: what a running port may change is the switch's.
func (e ends) change(ctl.PortSpec) error { return nil }

func (e ends) describe(row *ctl.Port) {
	if e.listen.Network != "" {
		row.Listen = e.listen.String()
	}
	if e.connect.Network != "" {
		row.Connect = e.connect.String()
	}
	if row.State == ctl.StateDown {
		row.State = ctl.StateWaiting
	}
}

// connDevice is a connection.
type connDevice struct{ *stream.Conn }

func (d connDevice) Rx() vswitch.Rx { return d.Conn.Rx() }
func (connDevice) LinkDown() string { return "" }

// connected makes a device of a connection that was made.
func connected(c *stream.Conn, err error) (device, error) {
	if err != nil {
		return nil, err
	}
	return connDevice{c}, nil
}

// listenSource waits for the peer of a stream.
type listenSource struct {
	ends
	listener *stream.Listener
}

func newListenSource(s ctl.PortSpec, log zerolog.Logger) (*listenSource, error) {
	e := endsOf(s)
	l, err := listen(e.listen)
	if err != nil {
		return nil, endError("listen on", e.listen, err)
	}
	source := &listenSource{e, stream.NewListener(l, func() {
		log.Warn().Stringer("listen", e.listen).Msg("a second peer was refused: the port has one")
	})}
	source.listener.Start()
	return source, nil
}

func listen(e ctl.Endpoint) (net.Listener, error) {
	if e.Network == "unix" {
		return unixsock.Listen(e.Address)
	}
	return net.Listen(e.Network, e.Address)
}

// endError says in a line what went wrong with an end, without the names that
// net gives to it.
func endError(what string, e ctl.Endpoint, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("%s %s: %w", what, e, err)
}

func (s *listenSource) open(ctx context.Context) (device, error) {
	return connected(s.listener.Accept(ctx))
}

func (s *listenSource) describe(row *ctl.Port) {
	s.ends.describe(row)
	if row.State == ctl.StateWaiting && row.Reason == "" {
		row.Reason = "no peer has connected yet"
	}
}

func (s *listenSource) close() error { return s.listener.Close() }

// dialSource seeks the peer of a stream.
type dialSource struct {
	ends
	last time.Time // of the last attempt
}

func newDialSource(s ctl.PortSpec) *dialSource { return &dialSource{ends: endsOf(s)} }

func (s *dialSource) open(ctx context.Context) (device, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Until(s.last.Add(dialEvery))):
	}
	s.last = time.Now()
	return connected(stream.Dial(ctx, s.connect.Network, s.connect.Address))
}

func (s *dialSource) describe(row *ctl.Port) {
	s.ends.describe(row)
	if row.State == ctl.StateWaiting && row.Reason == "" {
		row.Reason = "connecting"
	}
}

func (s *dialSource) close() error { return nil }

// dgramSource opens the socket of a dgram port.
type dgramSource struct{ ends }

func newDgramSource(s ctl.PortSpec) *dgramSource { return &dgramSource{endsOf(s)} }

func (s *dgramSource) open(context.Context) (device, error) {
	d, err := s.socket()
	if err != nil {
		return nil, err
	}
	return &dgramDevice{d, s.connect}, nil
}

func (s *dgramSource) socket() (*stream.Dgram, error) {
	if s.listen.Network == "unix" {
		p, err := unixsock.ListenPacket(s.listen.Address)
		if err != nil {
			return nil, endError("listen on", s.listen, err)
		}
		return stream.NewDgram(p, s.connect.Address)
	}
	from, err := net.ResolveUDPAddr(s.listen.Network, s.listen.Address)
	if err != nil {
		return nil, endError("listen on", s.listen, err)
	}
	to, err := net.ResolveUDPAddr(s.connect.Network, s.connect.Address)
	if err != nil {
		return nil, endError("connect to", s.connect, err)
	}
	c, err := net.DialUDP(s.listen.Network, from, to)
	if err != nil {
		return nil, endError("listen on", s.listen, err)
	}
	return stream.NewDgram(c, "")
}

func (s *dgramSource) close() error { return nil }

// dgramDevice is an open socket.
type dgramDevice struct {
	*stream.Dgram
	to ctl.Endpoint
}

func (d *dgramDevice) Rx() vswitch.Rx { return d.Dgram.Rx() }

func (d *dgramDevice) LinkDown() string {
	if !d.Refused() {
		return ""
	}
	return "nobody is at " + d.to.String()
}
