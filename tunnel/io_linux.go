package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"weft/internal/poll"
	"weft/internal/vectorio"
)

const (
	// socketBuffer in bytes: at 10 Gb/s what arrives in 6 ms, a scheduling
	// delay that does happen.
	socketBuffer = 8 << 20

	// datagramLen is the memory of one received train or superframe.
	datagramLen = 64 << 10

	// recvBatch is the datagrams of one recvmmsg.
	recvBatch = 2

	// Source ports are chosen from the dynamic range (RFC 7348 section 5,
	// RFC 6335 section 6).
	firstPort, lastPort = 49152, 65535

	// ttl of outer packets: they cross the underlay's routers.
	ttl = 64
)

// sockets are the VTEP's: one that receives, and one a lane that sends.
type sockets struct {
	recv  *poll.FD
	lanes [lanes]*poll.FD
	ports [lanes]uint16 // that the lanes are bound to
	paths *pathProbe    // with sockets of another namespace, see borrowed_linux.go
}

func (s *sockets) open(v *VTEP) error {
	if v.config.Sockets != nil {
		return s.adopt(v)
	}
	var err error
	if s.recv, err = listen(v.addr, v.prepareReceive); err != nil {
		return explainBind(v.addr, err)
	}
	for i := range s.lanes {
		if err := s.openLane(v, i); err != nil {
			return errors.Join(fmt.Errorf("source port: %w", err), s.close())
		}
	}
	return nil
}

func (s *sockets) openLane(v *VTEP, i int) error {
	fd, port, err := bindLane(v.addr.Addr(), v.prepareSend)
	if err == nil {
		s.lanes[i], s.ports[i] = poll.New(fd), port
	}
	return err
}

// bindLane binds a sending socket to a free port of the dynamic range.
func bindLane(addr netip.Addr, prepare func(fd int) error) (fd int, port uint16, err error) {
	const tries = 100
	for try := 1; ; try++ {
		port = uint16(firstPort + rand.IntN(lastPort-firstPort+1))
		fd, err = bind(netip.AddrPortFrom(addr, port), prepare)
		if !errors.Is(err, unix.EADDRINUSE) || try == tries {
			return fd, port, err
		}
	}
}

func (s *sockets) close() error {
	errs := []error{s.recv.Close()}
	for _, l := range s.lanes {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	if s.paths != nil {
		errs = append(errs, s.paths.fd.Close())
	}
	return errors.Join(errs...)
}

func listen(addr netip.AddrPort, prepare func(fd int) error) (*poll.FD, error) {
	fd, err := bind(addr, prepare)
	if err != nil {
		return nil, err
	}
	return poll.New(fd), nil
}

// bind binds a socket that prepare has set the options of.
func bind(addr netip.AddrPort, prepare func(fd int) error) (int, error) {
	sa := sockaddr(addr)
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepare(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Bind(fd, sa); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}
	}
	return &unix.SockaddrInet6{Addr: addr.Addr().As16(), Port: int(addr.Port())}
}

func explainBind(addr netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("no interface of this host has the address %s (see ip address)", addr.Addr())
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("UDP port %d is in use (by another weft or a kernel VXLAN device; choose another port)", addr.Port())
	}
	return err
}

// prepareReceive sets the options of the receiving socket. Only what the VTEP
// cannot do without is an error.
func (v *VTEP) prepareReceive(fd int) error {
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	if !v.gro.off.Load() {
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
			v.gro.disable("the kernel has no UDP_GRO: " + err.Error())
		}
	}
	if v.addr.Addr().Is4() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
	}
	// Zero checksums over IPv6 are what many VTEPs send (RFC 6935, RFC 7348
	// section 5).
	const udpNoCheck6Rx = 102
	_ = unix.SetsockoptInt(fd, unix.SOL_UDP, udpNoCheck6Rx, 1)
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
}

// prepareSend sets the options of a sending socket: don't fragment, the TTL,
// and a filter that refuses whatever is sent to its port.
func (v *VTEP) prepareSend(fd int) error {
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	if !v.gso.off.Load() {
		if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
			v.gso.disable("the kernel has no UDP_SEGMENT: " + err.Error())
		}
	}
	refuse, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(refuse)), Filter: (*unix.SockFilter)(unsafe.Pointer(&refuse[0]))}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return err
	}
	if v.addr.Addr().Is4() {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl))
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl))
}

// setBuffer asks for socketBuffer past the system's limit, or else up to it.
func setBuffer(fd, force, ask int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, socketBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ask, socketBuffer)
	}
}

// The control messages of a send: the segment size and the TOS, each a header
// of 16 bytes and 8 bytes of data.
const (
	cmsgLen  = 24
	sendOOB  = 2 * cmsgLen
	recvOOB  = 4 * cmsgLen // segment size, TOS, overflow count, one to spare
	sendMany = 64          // trains of one sendmmsg
)

// sender is the scratch memory of sendmmsg.
type sender struct {
	name [unix.SizeofSockaddrInet6]byte
	msgs [sendMany]vectorio.Msg
	oob  [sendMany][sendOOB]byte
	iov  []unix.Iovec
	call func(fd int, msgs []vectorio.Msg) (int, unix.Errno) // vectorio.Sendmmsg; tests have their own
}

func (s *sender) init() { s.call = vectorio.Sendmmsg }

// send sends trains from the lane's socket, at most sendMany of them, and gives
// how many went before the first that did not, and why that did not.
func (s *sender) send(socks *sockets, l int, to netip.AddrPort, trains []train) (int, error) {
	nameLen := s.setName(to)
	trains = trains[:min(len(trains), sendMany)]
	s.iov = s.iov[:0]
	for i := range trains {
		for _, p := range trains[i].parts {
			s.iov = append(s.iov, vectorio.Part(p))
		}
	}
	iov := s.iov
	for i := range trains {
		tr := &trains[i]
		h := &s.msgs[i].Hdr
		h.Name, h.Namelen = &s.name[0], uint32(nameLen)
		h.Iov = &iov[0]
		h.SetIovlen(len(tr.parts))
		iov = iov[len(tr.parts):]
		h.Control = &s.oob[i][0]
		h.SetControllen(putControl(s.oob[i][:], tr, to.Addr().Is4()))
	}
	fd, ok := socks.lanes[l].Use()
	if !ok {
		return 0, net.ErrClosed
	}
	defer socks.lanes[l].Done()
	n, errno := s.call(fd, s.msgs[:len(trains)])
	return n, sendError(errno)
}

// sendError sorts what sendmmsg says of the first train that it did not send.
// nil with trains left means to call again.
func sendError(errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return errQueueFull
	case unix.EMSGSIZE:
		return errTooBig
	case unix.EIO:
		return errNoGSO
	case unix.EINVAL:
		return errTrain
	}
	return errno
}

func (s *sender) setName(to netip.AddrPort) int {
	if to.Addr().Is4() {
		binary.NativeEndian.PutUint16(s.name[:], unix.AF_INET)
		binary.BigEndian.PutUint16(s.name[2:], to.Port())
		a := to.Addr().As4()
		copy(s.name[4:], a[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(s.name[:], unix.AF_INET6)
	binary.BigEndian.PutUint16(s.name[2:], to.Port())
	a := to.Addr().As16()
	copy(s.name[8:], a[:])
	return unix.SizeofSockaddrInet6
}

// putControl writes the control messages of a train and gives their length.
func putControl(oob []byte, t *train, v4 bool) int {
	n := 0
	if t.count > 1 {
		data := putCmsg(oob, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(data, uint16(t.seg))
		n += cmsgLen
	}
	level, kind := unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	if v4 {
		level, kind = unix.IPPROTO_IP, unix.IP_TOS
	}
	data := putCmsg(oob[n:], level, kind, 4)
	binary.NativeEndian.PutUint32(data, uint32(t.tos))
	return n + cmsgLen
}

func putCmsg(oob []byte, level, kind, dataLen int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(dataLen))
	return oob[unix.CmsgLen(0):]
}

// receiver is the scratch memory of recvmmsg.
type receiver struct {
	fd    *poll.FD
	msgs  [recvBatch]vectorio.Msg
	names [recvBatch][unix.SizeofSockaddrInet6]byte
	oob   [recvBatch][recvOOB]byte
	iov   [recvBatch]unix.Iovec
	lost  uint32 // the socket's overflow count when last seen
}

func (r *receiver) init(v *VTEP, mem [][]byte) {
	r.fd = v.sock.recv
	for i := range r.msgs {
		r.iov[i] = vectorio.Part(mem[i])
		h := &r.msgs[i].Hdr
		h.Name = &r.names[i][0]
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Control = &r.oob[i][0]
	}
}

// sleep waits until there are datagrams.
func (r *receiver) sleep() error {
	if err := r.fd.Wait(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return net.ErrClosed
}

// receive describes the datagrams that there are in d, which has recvBatch
// places; it gives their number, and how many were lost since the last call
// because the socket buffer was full.
func (r *receiver) receive(d []datagram) (n int, lost uint32, err error) {
	for i := range r.msgs {
		h := &r.msgs[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(recvOOB)
	}
	n, err = r.recvmmsg()
	for i := range d[:n] {
		lost += r.describe(i, &d[i])
	}
	return n, lost, err
}

// recvmmsg gives 0 where there is nothing.
func (r *receiver) recvmmsg() (int, error) {
	fd, ok := r.fd.Use()
	if !ok {
		return 0, net.ErrClosed
	}
	defer r.fd.Done()
	n, errno := vectorio.Recvmmsg(fd, r.msgs[:])
	if errno != 0 && errno != unix.EAGAIN {
		return 0, errno
	}
	return n, nil
}

// describe reads length, source and control messages of message i.
func (r *receiver) describe(i int, d *datagram) (lost uint32) {
	m := &r.msgs[i]
	d.n = int(m.N)
	d.seg, d.tos = 0, 0
	d.truncated = m.Hdr.Flags&unix.MSG_TRUNC != 0
	name := &r.names[i]
	if binary.NativeEndian.Uint16(name[:]) == unix.AF_INET {
		d.from = netip.AddrFrom4([4]byte(name[4:8]))
	} else {
		d.from = netip.AddrFrom16([16]byte(name[8:24]))
	}
	oob := r.oob[i][:min(int(m.Hdr.Controllen), recvOOB)]
	for len(oob) >= unix.CmsgLen(0) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		if int(h.Len) < unix.CmsgLen(1) || int(h.Len) > len(oob) {
			break
		}
		data := oob[unix.CmsgLen(0):h.Len]
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			d.seg = int(binary.NativeEndian.Uint32(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS:
			d.tos = data[0]
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			d.tos = uint8(binary.NativeEndian.Uint32(data))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			total := binary.NativeEndian.Uint32(data)
			lost += total - r.lost
			r.lost = total
		}
		oob = oob[min(unix.CmsgSpace(len(data)), len(oob)):]
	}
	return lost
}

// FD is what a [poll.Loop] waits for on behalf of PollBatch.
func (r *Rx) FD() *poll.FD { return r.recv.fd }
