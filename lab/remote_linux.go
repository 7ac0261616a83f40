package lab

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"weft/ctl"
	"weft/lab/topology"
	"weft/tunnel"
)

// bindVTEP binds the sockets of the lab's VTEP in the user's network, which the
// lab's daemon cannot reach once it is in namespaces of its own. There are none
// for a lab without remotes.
func bindVTEP(t *topology.Topology) (tunnel.Sockets, error) {
	spec := t.VTEP()
	if spec == nil {
		return nil, nil
	}
	if spec.Address == "" {
		var err error
		if spec.Address, err = sourceFor(t); err != nil {
			return nil, err
		}
	}
	addr, err := netip.ParseAddr(spec.Address)
	if err != nil {
		return nil, ctl.Invalid("vtep: %v", err)
	}
	sockets, err := tunnel.Bind(netip.AddrPortFrom(addr, cmp.Or(spec.Port, tunnel.DefaultPort)))
	if err != nil {
		return nil, ctl.Failed("%v; the lab's own is vtep: {address, port} of its remotes", err)
	}
	return sockets, nil
}

// VTEPSockets are the sockets that a daemon finds open, nil in a lab without
// remotes.
func VTEPSockets(t *topology.Topology) (sockets tunnel.Sockets) {
	if t.VTEP() == nil {
		return nil
	}
	for i := range tunnel.SocketCount {
		sockets = append(sockets, os.NewFile(uintptr(VTEPFD+i), "VTEP"))
	}
	return sockets
}

// sourceFor is the address of this machine that packets to the first remote
// come from.
func sourceFor(t *topology.Topology) (string, error) {
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind != topology.Remote {
			continue
		}
		to := net.JoinHostPort(n.Peer().Address, strconv.Itoa(int(tunnel.DefaultPort)))
		c, err := net.Dial("udp", to) // sends nothing
		if err != nil {
			return "", ctl.Failed("node %s: there is no way to %s at present, so say which address of this machine it is to see (vtep: ADDR)", n.Name, n.Peer().Address)
		}
		defer c.Close()
		from, err := netip.ParseAddrPort(c.LocalAddr().String())
		if err != nil {
			return "", fmt.Errorf("node %s: %w", n.Name, err)
		}
		return from.Addr().Unmap().String(), nil
	}
	return "", nil
}
