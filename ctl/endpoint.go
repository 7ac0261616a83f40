package ctl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"weft/internal/unixsock"
)

// The types of ports.
const (
	TypeTAP    = "tap"    // an interface
	TypeStream = "stream" // a connection of frames behind their lengths
	TypeDgram  = "dgram"  // a socket of datagrams, each a frame
	TypeVDE    = "vde"    // what VDE's clients plug into
)

// Endpoint is one end of a stream or dgram port.
type Endpoint struct {
	Network string // unix, tcp, udp
	Address string // a path, or HOST:PORT
}

func (e Endpoint) String() string { return e.Network + ":" + e.Address }

// ErrEndpoint is wrapped by every error of [ParseEndpoint].
var ErrEndpoint = errors.New("not an endpoint")

// ParseEndpoint reads unix:PATH, tcp:HOST:PORT or udp:HOST:PORT.
func ParseEndpoint(s string) (Endpoint, error) {
	network, address, _ := strings.Cut(s, ":")
	e := Endpoint{network, address}
	switch network {
	case "unix":
		return e, pathProblem(address)
	case "tcp", "udp":
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" {
			return e, fmt.Errorf("%s is %w (want %s:HOST:PORT, or %s:[IPV6]:PORT)", quote(s), ErrEndpoint, network, network)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return e, fmt.Errorf("%s: %s is %w (want a port from 1 to 65535)", quote(s), quote(port), ErrEndpoint)
		}
		return e, nil
	}
	return e, fmt.Errorf("%s is %w (want unix:PATH, tcp:HOST:PORT or udp:HOST:PORT)", quote(s), ErrEndpoint)
}

// pathProblem says what is wrong with a socket's path. The daemon has a
// working directory of its own, so that a relative one means nothing to it.
func pathProblem(path string) error {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/"), strings.ContainsFunc(path, odd):
		return fmt.Errorf("%s is %w (want the path of a socket, from /)", quote(path), ErrEndpoint)
	case len(path) > unixsock.MaxPath:
		return fmt.Errorf("the path has %d bytes; at most %d fit a socket's (choose a shorter one): %w", len(path), unixsock.MaxPath, ErrEndpoint)
	}
	return nil
}

// validateType checks the fields that not every type of port has.
func (s PortSpec) validateType(o owner) error {
	switch s.Type {
	case "", TypeTAP:
		for _, f := range []struct{ name, value string }{{"listen", s.Listen}, {"connect", s.Connect}} {
			if f.value != "" {
				return o.bad(f.name, "a TAP has no such end (for a socket give type %s or %s, too)", TypeStream, TypeDgram)
			}
		}
		return o.check("as", s.ifNameProblem())
	case TypeStream, TypeDgram, TypeVDE:
	default:
		return o.bad("type", "%s is not a type of port (want %s, %s, %s or %s)", quote(s.Type), TypeTAP, TypeStream, TypeDgram, TypeVDE)
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"netns", s.NetNS != ""}, {"as", s.As != ""}, {"mac", s.MAC != ""}, {"address", len(s.Address) > 0}} {
		if f.set {
			return o.bad(f.name, "only a TAP has an interface to set this on, a port of type %s has none (leave it out)", s.Type)
		}
	}
	switch s.Type {
	case TypeStream:
		return s.validateStream(o)
	case TypeVDE:
		return s.validateVDE(o)
	}
	return s.validateDgram(o)
}

func (s PortSpec) validateVDE(o owner) error {
	switch {
	case s.Listen == "":
		return o.bad("listen", "must be given: the directory that VDE's clients are told, such as unix:/run/vm1.ctl")
	case s.Connect != "":
		return o.bad("connect", "a vde port is what clients connect to (leave it out)")
	}
	return o.check("listen", endProblem(s.Listen, true, "unix"))
}

func (s PortSpec) validateStream(o owner) error {
	switch {
	case s.Listen == "" && s.Connect == "":
		return o.bad("listen", "one of listen and connect must be given, such as unix:/run/vm1.sock")
	case s.Listen != "" && s.Connect != "":
		return o.bad("connect", "a stream either listens or connects, not both")
	}
	return firstOf(
		o.check("listen", endProblem(s.Listen, true, "unix", "tcp")),
		o.check("connect", endProblem(s.Connect, false, "unix", "tcp")),
	)
}

func (s PortSpec) validateDgram(o owner) error {
	switch {
	case s.Listen == "":
		return o.bad("listen", "must be given: where the peer sends its frames, such as udp:127.0.0.1:5000")
	case s.Connect == "":
		return o.bad("connect", "must be given: where the peer receives frames, such as udp:127.0.0.1:5001")
	}
	err := firstOf(
		o.check("listen", endProblem(s.Listen, true, "unix", "udp")),
		o.check("connect", endProblem(s.Connect, false, "unix", "udp")),
	)
	if err != nil {
		return err
	}
	from, _ := ParseEndpoint(s.Listen) // valid, as said
	to, _ := ParseEndpoint(s.Connect)
	switch {
	case from.Network != to.Network:
		return o.bad("connect", "is %s: while listen is %s: (both ends of a dgram port are of one kind)", to.Network, from.Network)
	case from == to:
		return o.bad("connect", "is the same as listen, the port would talk to itself")
	}
	return nil
}

// endProblem says what is wrong with an end that must be of one of the kinds.
// Where a port listens there is no name to look up.
func endProblem(s string, listens bool, kinds ...string) string {
	if s == "" {
		return ""
	}
	e, err := ParseEndpoint(s)
	switch {
	case err != nil:
		return err.Error()
	case !slices.Contains(kinds, e.Network):
		return fmt.Sprintf("%s is not for this type of port (want %s:)", quote(s), strings.Join(kinds, ": or "))
	case listens && e.Network != "unix":
		if _, err := netip.ParseAddrPort(e.Address); err != nil {
			return fmt.Sprintf("%s is no address to listen on (want an IP address of this host and a port)", quote(s))
		}
	}
	return ""
}

// PortType is the type that s asks for.
func (s PortSpec) PortType() string {
	if s.Type == "" {
		return TypeTAP
	}
	return s.Type
}
