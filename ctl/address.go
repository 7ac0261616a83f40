package ctl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrAddress is wrapped by every error of [ParseHostPort].
var ErrAddress = errors.New("not an IP address")

// ParseHostPort reads a VTEP's address as users write it: ADDR, IPV4:PORT or
// [IPV6]:PORT. The port is 0 where none was given.
func ParseHostPort(s string) (address string, port uint16, err error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String(), 0, nil
	}
	// [IPV6] alone, too: it is how people write it when in doubt.
	if in, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(in, "]") {
		if a, err := netip.ParseAddr(strings.TrimSuffix(in, "]")); err == nil && a.Is6() {
			return a.String(), 0, nil
		}
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, portText := s[:i], s[i+1:]
		p, perr := strconv.ParseUint(portText, 10, 16)
		a, aerr := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
		bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
		if aerr == nil && bracketed == a.Is6() {
			if perr != nil || p == 0 {
				return "", 0, fmt.Errorf("%s: %s is no UDP port (want 1 to 65535)", quote(s), quote(portText))
			}
			return a.String(), uint16(p), nil
		}
	}
	return "", 0, fmt.Errorf("%s is %w (want ADDR, IPV4:PORT or [IPV6]:PORT)", quote(s), ErrAddress)
}

// FormatHostPort writes what ParseHostPort reads.
func FormatHostPort(address string, port uint16) string {
	if port == 0 {
		return address
	}
	return net.JoinHostPort(address, strconv.Itoa(int(port)))
}

// unicastProblem says what keeps s from being the address of a VTEP.
func unicastProblem(s string) string {
	if s == "" {
		return "is missing"
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return quote(s) + " is not an IP address (want one such as 10.99.0.2 or fd00::2)"
	case a.Is4In6():
		return fmt.Sprintf("%s is an IPv4 address in IPv6 form (write %s)", quote(s), a.Unmap())
	case a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return quote(s) + " is not the address of one host"
	}
	return ""
}

// parsePrefix reads an interface's address, or says what is wrong with it.
func parsePrefix(s string) (p netip.Prefix, problem string) {
	p, err := netip.ParsePrefix(s)
	switch a := p.Addr(); {
	case err != nil:
		return p, quote(s) + " is not an address with its prefix length (want one such as 10.77.0.1/24)"
	case a.Is4In6():
		return p, quote(s) + " is an IPv4 address in IPv6 form (write it as IPv4)"
	case a.IsUnspecified(), a.IsMulticast():
		return p, quote(s) + " is not the address of one host"
	}
	return p, ""
}
