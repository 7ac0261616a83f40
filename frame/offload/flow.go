package offload

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants with their bits spread evenly: the fractional parts of the
// golden ratio and of the square roots of 2 and 3.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0x6a09e667f3bcc909
	mixC = 0xbb67ae8584caa73b
)

// FlowHash maps the frame that head starts to a number that is the same for
// all frames of a flow and well mixed over flows: over the IP addresses, the
// protocol and the ports of TCP and UDP. Fragments, of which only the first
// has ports, are hashed by their addresses; what is not IP by the MAC
// addresses and the EtherType. It is not a secret: who chooses the ports
// chooses the hash.
func FlowHash(head []byte) uint32 {
	var p Packet
	known := p.locate(head)
	if known == knownL2 {
		var l2 [16]byte
		copy(l2[:14], head) // zero where the frame is too short to have a header
		return mix(binary.LittleEndian.Uint64(l2[:]), binary.LittleEndian.Uint64(l2[8:]), uint64(p.EtherType))
	}
	var ports uint64
	switch {
	case p.Fragment:
	case known == knownL4:
		ports = uint64(binary.LittleEndian.Uint32(head[p.L4:]))<<8 | uint64(p.Proto)
	default:
		ports = uint64(p.Proto)
	}
	ip := head[p.L3:]
	if !p.IPv6 {
		return mix(binary.LittleEndian.Uint64(ip[ipv4Src:]), 0, ports)
	}
	src, dst := ip[ipv6Src:], ip[ipv6Dst:]
	net := multiply(binary.LittleEndian.Uint64(src)^mixC, binary.LittleEndian.Uint64(dst)^mixB)
	host := multiply(binary.LittleEndian.Uint64(src[8:])^mixA, binary.LittleEndian.Uint64(dst[8:])^mixC)
	return mix(net, host, ports)
}

// mix brings every bit of a, b and c to bear on every bit of the result.
func mix(a, b, c uint64) uint32 {
	h := multiply(multiply(a^mixA, b^mixB)^mixC, c^mixA)
	return uint32(h>>32) ^ uint32(h)
}

// multiply folds the 128-bit product of a and b, in which each bit depends on
// many of both, to 64 bits.
func multiply(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
