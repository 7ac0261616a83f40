//go:build !linux

package tunnel

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Outside Linux the VTEP uses golang.org/x/net: one datagram a send, no
// segmentation offload, and no ECN from the outer IPv4 header, which x/net does
// not hand over.

const (
	datagramLen         = 64 << 10
	recvBatch           = 1
	firstPort, lastPort = 49152, 65535 // RFC 7348 section 5
	ttl                 = 64
)

type sockets struct {
	recv  *net.UDPConn
	lanes [lanes]*net.UDPConn
	ports [lanes]uint16 // zero: nothing leaves by an outlet
}

func (s *sockets) open(v *VTEP) error {
	const reason = "only on Linux"
	v.gso.disable(reason)
	v.gro.disable(reason)
	var err error
	if s.recv, err = listen(v.addr); err != nil {
		return err
	}
	for i := range s.lanes {
		if s.lanes[i], err = openLane(v.addr.Addr()); err != nil {
			return errors.Join(fmt.Errorf("source port: %w", err), s.close())
		}
	}
	return nil
}

func openLane(addr netip.Addr) (*net.UDPConn, error) {
	const tries = 100
	for try := 1; ; try++ {
		udp, err := listen(netip.AddrPortFrom(addr, uint16(firstPort+rand.IntN(lastPort-firstPort+1))))
		if err != nil && try < tries {
			continue
		}
		if err != nil {
			return nil, err
		}
		if addr.Is4() {
			return udp, ipv4.NewPacketConn(udp).SetTTL(ttl)
		}
		return udp, ipv6.NewPacketConn(udp).SetHopLimit(ttl)
	}
}

func listen(addr netip.AddrPort) (*net.UDPConn, error) {
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	pc, err := new(net.ListenConfig).ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	udp, _ := pc.(*net.UDPConn)
	return udp, nil
}

func (s *sockets) close() error {
	errs := []error{s.recv.Close()}
	for _, l := range s.lanes {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

type sender struct{ flat []byte }

func (s *sender) init() {}

// send sends trains, of one datagram each, one by one.
func (s *sender) send(socks *sockets, l int, to netip.AddrPort, trains []train) (int, error) {
	for i := range trains {
		s.flat = s.flat[:0]
		for _, p := range trains[i].parts {
			s.flat = append(s.flat, p...)
		}
		if _, err := socks.lanes[l].WriteToUDPAddrPort(s.flat, to); err != nil {
			if strings.Contains(err.Error(), "too long") {
				err = errTooBig
			}
			return i, err
		}
	}
	return len(trains), nil
}

type receiver struct{ conn *net.UDPConn }

func (r *receiver) init(v *VTEP, _ [][]byte) { r.conn = v.sock.recv }

// sleep has nothing to do: receive waits.
func (r *receiver) sleep() error { return nil }

// receive waits for one datagram.
func (r *receiver) receive(d []datagram) (n int, lost uint32, err error) {
	got, from, err := r.conn.ReadFromUDPAddrPort(d[0].mem)
	if err != nil {
		return 0, 0, err
	}
	d[0].n, d[0].from, d[0].tos, d[0].seg = got, from.Addr().Unmap(), 0, 0
	return 1, 0, nil
}
