package systems

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"

	"weft/internal/netns"
)

const (
	// vxlanOverhead is what VXLAN over IPv4 takes of the underlay's MTU, in
	// bytes: Ethernet 14, IPv4 20, UDP 8, VXLAN 8. The clients' MTU is the
	// same for every system, so that all carry the same segments.
	vxlanOverhead = 50

	wire     = "u0"   // the host's interface on the underlay
	clientIf = "eth0" // the client's interface
	vni      = 42

	// comeUp is how long a system has to join the clients; OVS and tinc take
	// about a second.
	comeUp = 15 * time.Second
)

// Scene is what is built before a system joins the clients.
type Scene string

// The scenes. Their values are what reports say.
const (
	TwoHosts Scene = "two hosts"
	OneHost  Scene = "one host"
)

// Shape says how large a picture is.
type Shape struct {
	Scene   Scene
	MTU     int // of the underlay, in bytes
	Clients int // on each side, at least 1
	// Absent is how many remote VTEPs there are besides the other host, for A
	// to send to. Their packets reach the other host, which throws them away.
	Absent int
	// FDBLimit is asked for where a system takes one, 0 for its default.
	FDBLimit int
	// Congestion is the congestion control of the clients' TCP connections, ""
	// for what the machine has.
	Congestion string
	// Apart: each of two hosts has a CPU of its own, with all that runs on it and
	// on its clients. Otherwise the scheduler places everything.
	Apart bool
	// Counted: weft counts what it allocates.
	Counted bool
}

// Client is a station.
type Client struct {
	Host    *netns.Host
	Address netip.Prefix
	// Index numbers the clients of both sides: 1, 3, 5 on A, 2, 4, 6 on B.
	Index int
}

// IfName is the name of every client's interface.
func (c *Client) IfName() string { return clientIf }

// Side is a host with its clients. In the scene of one host both sides have
// the same one.
type Side struct {
	Name     string // "a", "b"
	Host     *netns.Host
	Underlay netip.Prefix
	Clients  []Client
	Peers    []netip.Addr // the other host first

	dir     string // for files of daemons
	daemons []*daemon
}

// Picture is both sides.
type Picture struct {
	Shape
	A, B Side
	root string
}

// Sides gives both.
func (p *Picture) Sides() []*Side { return []*Side{&p.A, &p.B} }

// ClientMTU is in bytes.
func (p *Picture) ClientMTU() int {
	if p.Scene == OneHost {
		return netns.DefaultMTU
	}
	return p.MTU - vxlanOverhead
}

// Build makes the namespaces, the wire, and has the system join the clients.
// It returns when they reach each other.
func Build(ctx context.Context, s *System, shape Shape) (*Picture, error) {
	if s.MaxClients != 0 {
		shape.Clients = min(shape.Clients, s.MaxClients)
	}
	p, err := open(shape)
	if err != nil {
		return nil, err
	}
	err = p.join(ctx, s)
	if err == nil {
		err = p.setCongestion()
	}
	if err != nil {
		logs := p.Logs()
		return nil, errors.Join(fmt.Errorf("%s: %w", s.Name, err), logs, p.Close())
	}
	return p, nil
}

func open(shape Shape) (_ *Picture, err error) {
	p := &Picture{Shape: shape, A: Side{Name: "a"}, B: Side{Name: "b"}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.root, err = os.MkdirTemp("", "p"); err != nil {
		return nil, err
	}
	for i, s := range p.Sides() {
		s.dir = fmt.Sprintf("%s/%s", p.root, s.Name)
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			return nil, err
		}
		s.Underlay = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, 0, byte(i + 1)}), 24)
		if i == 1 && shape.Scene == OneHost {
			s.Host = p.A.Host
		} else if s.Host, err = netns.OpenHost("host-" + s.Name); err != nil {
			return nil, err
		}
		for n := range shape.Clients {
			c := Client{Index: 2*n + i + 1}
			c.Address = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(c.Index)}), 24)
			if c.Host, err = netns.OpenHost(fmt.Sprintf("client-%d", c.Index)); err != nil {
				return nil, err
			}
			s.Clients = append(s.Clients, c)
		}
	}
	if shape.Apart {
		err = p.confine()
	}
	if err == nil && shape.Scene == TwoHosts {
		err = p.connect()
	}
	return p, err
}

// confine gives each side a CPU.
func (p *Picture) confine() error {
	cpus, err := netns.CPUs()
	if err != nil {
		return err
	}
	if len(cpus) < len(p.Sides()) {
		return fmt.Errorf("hosts with a CPU each: %d of them, and CPUs %v", len(p.Sides()), cpus)
	}
	for i, s := range p.Sides() {
		s.Host.Confine(cpus[i])
		for _, c := range s.Clients {
			c.Host.Confine(cpus[i])
		}
	}
	return nil
}

// connect puts the wire between the hosts, and the peers that are not there
// behind the other host.
func (p *Picture) connect() error {
	err := netns.Cable(
		netns.End{Host: p.A.Host, IfName: wire, Addresses: []string{p.A.Underlay.String()}},
		netns.End{Host: p.B.Host, IfName: wire, Addresses: []string{p.B.Underlay.String()}}, p.MTU)
	if err != nil {
		return err
	}
	p.A.Peers, p.B.Peers = []netip.Addr{p.B.Underlay.Addr()}, []netip.Addr{p.A.Underlay.Addr()}
	if p.Absent == 0 {
		return nil
	}
	// A host that does not forward drops what is for someone else, silently.
	link, err := p.A.Host.Netlink().LinkByName(wire)
	if err != nil {
		return err
	}
	absent := netip.MustParsePrefix("10.98.0.0/24")
	addr := absent.Addr()
	for range p.Absent {
		addr = addr.Next()
		p.A.Peers = append(p.A.Peers, addr)
	}
	return p.A.Host.Netlink().RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       &net.IPNet{IP: absent.Addr().AsSlice(), Mask: net.CIDRMask(absent.Bits(), 32)},
		Gw:        p.B.Underlay.Addr().AsSlice(),
	})
}

// join starts the system and waits until the clients reach each other.
func (p *Picture) join(ctx context.Context, s *System) error {
	if err := s.up(ctx, p); err != nil {
		return err
	}
	from := &p.A.Clients[0]
	for end := time.Now().Add(comeUp); ; {
		_, err := from.Host.Ping(p.B.Clients[0].Address.Addr().String(), 1, time.Second)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			return fmt.Errorf("the clients do not reach each other: %w", err)
		}
		for _, side := range p.Sides() {
			if err := side.alive(); err != nil {
				return err
			}
		}
	}
}

// setCongestion has every connection of the clients begin with the congestion
// control that is wanted. It is a property of their routes, since a program that
// asks for another when its connection is there, as iperf3 does, keeps the pacing
// of BBR, and with it a timer for each segment that leaves.
func (p *Picture) setCongestion() error {
	if p.Congestion == "" {
		return nil
	}
	for _, s := range p.Sides() {
		for i := range s.Clients {
			if err := s.Clients[i].setCongestion(p.Congestion); err != nil {
				return fmt.Errorf("congestion control %s for %s: %w", p.Congestion, s.Clients[i].Host.Name, err)
			}
		}
	}
	return nil
}

func (c *Client) setCongestion(name string) error {
	nl := c.Host.Netlink()
	link, err := nl.LinkByName(clientIf)
	if err != nil {
		return err
	}
	routes, err := nl.RouteList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for i := range routes {
		routes[i].Congctl = name
		if err := nl.RouteReplace(&routes[i]); err != nil {
			return err
		}
	}
	return nil
}

// Close ends what runs and removes the namespaces.
func (p *Picture) Close() error {
	var errs []error
	for _, s := range p.Sides() {
		errs = append(errs, s.stop())
	}
	for _, s := range p.Sides() {
		for _, c := range s.Clients {
			errs = append(errs, c.Host.Close())
		}
		if s.Host != nil {
			errs = append(errs, s.Host.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(p.root))...)
}

// adopt gives the interface, which is in the side's host, to the client: there
// it is eth0 with the client's address, up.
func (s *Side) adopt(c *Client, ifname string, mtu int) error {
	nl := s.Host.Netlink()
	link, err := nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("%s: %w", ifname, err)
	}
	ns, err := os.Open(c.Host.Path())
	if err != nil {
		return err
	}
	defer ns.Close()
	// Down first: an interface is renamed when it is down only.
	if err := nl.LinkSetDown(link); err != nil {
		return fmt.Errorf("set %s down: %w", ifname, err)
	}
	if err := nl.LinkSetNsFd(link, int(ns.Fd())); err != nil {
		return fmt.Errorf("move %s to %s: %w", ifname, c.Host.Name, err)
	}
	nl = c.Host.Netlink()
	if link, err = nl.LinkByName(ifname); err != nil {
		return fmt.Errorf("%s: %w", ifname, err)
	}
	err = nl.LinkSetName(link, clientIf)
	if err == nil {
		err = nl.LinkSetMTU(link, mtu)
	}
	if err == nil {
		err = nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set %s of %s up: %w", clientIf, c.Host.Name, err)
	}
	return c.Host.AddAddress(clientIf, c.Address.String())
}
