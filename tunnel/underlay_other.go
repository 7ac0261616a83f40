//go:build !linux

package tunnel

import "net/netip"

// assumedMTU of the underlay in bytes, where the system is not asked.
const assumedMTU = 1500

// LocalMTU assumes an Ethernet underlay.
func LocalMTU(addr netip.Addr) (int, error) { return assumedMTU - Overhead(addr), nil }

// PathMTU assumes an Ethernet underlay.
func PathMTU(_, to netip.Addr) (int, error) { return assumedMTU - Overhead(to), nil }
