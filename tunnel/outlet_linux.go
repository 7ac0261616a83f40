package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/poll"
	"weft/internal/tundev"
	"weft/internal/vectorio"
)

// A UDP socket takes no superframe that is still to be cut inside of its VXLAN
// packet, so what leaves by one is cut and summed here. The kernel's own VXLAN
// device leaves both to the interface that the packet goes out by, as a TAP
// does for packets that come from it (GSO over UDP tunnels, Linux 6.17).
//
// So the VTEP has a TAP, its outlet. What is written to it is a whole outer
// packet. A BPF program gives it to the interface that the packet names in
// place of its Ethernet addresses, which the kernel writes then, as of a packet
// of its own.

const (
	// outletName of the interface: the kernel counts.
	outletName = "weft-out%d"

	// atIfIndex is where the Ethernet header names the interface to leave by, a
	// word in the processor's order.
	atIfIndex = 2
)

// outlet is the TAP by which superframes leave.
type outlet struct {
	fd      *poll.FD // nil where there is none
	program []io.Closer
	survey  survey
}

func (o *outlet) open(v *VTEP) (err error) {
	if v.sock.paths != nil {
		return errors.New("the VTEP's sockets are of another network namespace")
	}
	fd, name, err := tundev.Open(outletName)
	if err != nil {
		return fmt.Errorf("TAP: %w", err)
	}
	o.fd = poll.New(fd)
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
			o.fd = nil
		}
	}()
	const (
		tso          = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6
		udpTunnel    = 0x80 // TUN_F_UDP_TUNNEL_GSO of linux/if_tun.h
		udpTunnelSum = 0x100
	)
	if err = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, offload.TunnelVirtioLen); err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tso|udpTunnel|udpTunnelSum)
	}
	if err != nil {
		return errors.New("the kernel has no GSO over UDP tunnels for a TAP (Linux 6.17 has)")
	}
	tap, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err = o.direct(tap.Attrs().Index); err != nil {
		return err
	}
	// Without an address of its own the interface stays silent.
	_ = netlink.LinkSetIP6AddrGenMode(tap, nl.IN6_ADDR_GEN_MODE_NONE)
	if err = netlink.LinkSetUp(tap); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// direct has what is written to the TAP leave by the interface that it names.
func (o *outlet) direct(tap int) error {
	const (
		data, dataEnd = 76, 80 // in struct __sk_buff of linux/bpf.h
		shot          = 2      // TC_ACT_SHOT
	)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "Apache-2.0",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, data, asm.Word),
			asm.LoadMem(asm.R3, asm.R1, dataEnd, asm.Word),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, frame.EthernetLen),
			asm.JGT.Reg(asm.R4, asm.R3, "short"),
			asm.LoadMem(asm.R1, asm.R2, atIfIndex, asm.Word),
			asm.Mov.Imm(asm.R2, 0),
			asm.Mov.Imm(asm.R3, 0),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnRedirectNeigh.Call(),
			asm.Return(),
			asm.Mov.Imm(asm.R0, shot).WithSymbol("short"),
			asm.Return(),
		},
	})
	if errors.Is(err, os.ErrPermission) {
		return errors.New("it takes a BPF program, which only root outside of user namespaces may load (CAP_BPF, CAP_NET_ADMIN)")
	} else if err != nil {
		return fmt.Errorf("load BPF program: %w", err)
	}
	o.program = append(o.program, program)
	attached, err := link.AttachTCX(link.TCXOptions{Interface: tap, Program: program, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return fmt.Errorf("attach BPF program: %w", err)
	}
	o.program = append(o.program, attached)
	return nil
}

func (o *outlet) close() error {
	if o.fd == nil {
		return nil
	}
	errs := []error{o.fd.Close()}
	for _, p := range o.program {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// wholeSender is the scratch memory of sends by the outlet.
type wholeSender struct {
	mem [offload.TunnelVirtioLen + maxOuterLen]byte
	iov []unix.Iovec
}

// send sends the superframe behind the outer headers by the interface.
func (s *wholeSender) send(out *outlet, ifIndex int, o *outer, b *frame.Buf) error {
	fd, ok := out.fd.Use()
	if !ok {
		return net.ErrClosed
	}
	defer out.fd.Done()
	all, beforeUDP := o.lengths()
	offload.EncodeTunnelVirtio(s.mem[:], b, all, beforeUDP, o.to.Addr().Is6())
	head := s.mem[offload.TunnelVirtioLen:][:all]
	o.put(head, b.Len())
	binary.NativeEndian.PutUint32(head[atIfIndex:], uint32(ifIndex))
	s.iov = append(s.iov[:0], vectorio.Part(s.mem[:offload.TunnelVirtioLen+all]), vectorio.Part(b.Head()))
	for _, f := range b.Frags {
		s.iov = append(s.iov, vectorio.Part(f))
	}
	switch _, errno := vectorio.Writev(fd, s.iov); errno {
	case 0:
		return nil
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return errQueueFull
	default:
		return errno
	}
}
