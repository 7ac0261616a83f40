package tunnel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"weft/internal/poll"
)

// A socket stays in the network namespace that it was made in, whoever has it.
// So a process in a namespace of its own, which an ordinary user cannot leave,
// sends and receives in the machine's network through sockets that were bound
// before. What else a VTEP asks of the network, the room on the way to a peer,
// a connected socket answers, too.

// The places of a VTEP's sockets among [Sockets], and how many they are.
const (
	atRecv = iota
	atPaths
	atLanes
	SocketCount = atLanes + lanes
)

// Bind binds the sockets of a VTEP in the calling thread's network namespace,
// for [Config].Sockets in this process or another.
func Bind(addr netip.AddrPort) (s Sockets, err error) {
	unprepared := func(int) error { return nil } // Open does that
	defer func() {
		if err != nil {
			s.Close()
			s, err = nil, fmt.Errorf("VTEP %s: %w", addr, err)
		}
	}()
	fd, err := bind(addr, unprepared)
	if err != nil {
		return s, explainBind(addr, err)
	}
	s = append(s, os.NewFile(uintptr(fd), "VTEP"))
	for len(s) < SocketCount {
		if fd, _, err = bindLane(addr.Addr(), unprepared); err != nil {
			return s, fmt.Errorf("source port: %w", err)
		}
		s = append(s, os.NewFile(uintptr(fd), "lane"))
	}
	return s, nil
}

// Addr is the address that the VTEP has.
func (s Sockets) Addr() (netip.AddrPort, error) {
	if len(s) != SocketCount {
		return netip.AddrPort{}, fmt.Errorf("%d sockets, want %d", len(s), SocketCount)
	}
	sa, err := unix.Getsockname(int(s[atRecv].Fd()))
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, errors.New("not an IP socket")
}

// adopt takes the sockets of the VTEP's configuration.
func (s *sockets) adopt(v *VTEP) error {
	given := v.config.Sockets
	defer given.Close()
	fds := make([]int, len(given))
	for i, f := range given {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(fds[:i])
			return os.NewSyscallError("dup", err)
		}
		fds[i] = fd
	}
	errs := []error{v.prepareReceive(fds[atRecv])}
	for i, fd := range fds {
		errs = append(errs, unix.SetNonblock(fd, true)) // which os.File takes away
		if i != atRecv {
			errs = append(errs, v.prepareSend(fd))
		}
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(fds)
		return err
	}
	s.recv, s.paths = poll.New(fds[atRecv]), &pathProbe{fd: poll.New(fds[atPaths])}
	for i := range s.lanes {
		s.lanes[i] = poll.New(fds[atLanes+i])
	}
	return nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// pathProbe asks for the room on ways in a network that this process is not in.
type pathProbe struct {
	fd *poll.FD
	mu sync.Mutex // from connect to the answer
}

// mtu is [PathMTU].
func (p *pathProbe) mtu(to netip.Addr) (int, error) {
	fd, ok := p.fd.Use()
	if !ok {
		return 0, net.ErrClosed
	}
	defer p.fd.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	// It looks for the way, anew each time, and sends nothing.
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, DefaultPort))); err != nil {
		return 0, noRoute(to, err)
	}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_MTU
	if to.Is4() {
		level, option = unix.IPPROTO_IP, unix.IP_MTU
	}
	mtu, err := unix.GetsockoptInt(fd, level, option)
	if err != nil {
		return 0, noRoute(to, err)
	}
	return mtu - Overhead(to), nil
}

// LocalMTU is [LocalMTU] of the VTEP's address. Where its sockets are in
// another namespace, whose interfaces cannot be looked at, it is the smallest
// room on the ways to its hops.
func (v *VTEP) LocalMTU() (int, error) {
	if v.sock.paths == nil {
		return LocalMTU(v.addr.Addr())
	}
	least := 0
	for to := range *v.hops.Load() {
		if mtu, err := v.sock.paths.mtu(to); err == nil && (least == 0 || mtu < least) {
			least = mtu
		}
	}
	if least == 0 {
		return 0, ErrNoRoute
	}
	return least, nil
}

// PathMTU is [PathMTU] from the VTEP's address to the hop. It finds out how
// superframes leave, too.
func (h *Hop) PathMTU() (int, error) {
	to := h.addr.Addr()
	if paths := h.vtep.sock.paths; paths != nil {
		return paths.mtu(to)
	}
	link, mtu, err := route(h.vtep.addr.Addr(), to)
	h.look(link, mtu, err)
	if err != nil {
		return 0, err
	}
	return mtu - Overhead(to), nil
}
