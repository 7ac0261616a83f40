//go:build !linux

package tunnel

import (
	"errors"
	"net/netip"
)

// assumedMTU of the underlay in bytes, where the system is not asked.
const assumedMTU = 1500

// LocalMTU assumes an Ethernet underlay.
func LocalMTU(addr netip.Addr) (int, error) { return assumedMTU - Overhead(addr), nil }

// PathMTU assumes an Ethernet underlay.
func PathMTU(_, to netip.Addr) (int, error) { return assumedMTU - Overhead(to), nil }

// LocalMTU is [LocalMTU] of the VTEP's address.
func (v *VTEP) LocalMTU() (int, error) { return LocalMTU(v.addr.Addr()) }

// PathMTU is [PathMTU] from the VTEP's address to the hop.
func (h *Hop) PathMTU() (int, error) { return PathMTU(h.vtep.addr.Addr(), h.addr.Addr()) }

// Addr is for Linux, as sockets of another namespace are.
func (s Sockets) Addr() (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.New("sockets of another namespace need Linux")
}
