package load

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"

	"weft/frame/offload"
)

// A test frame:
//
//	 0  destination MAC, source MAC, EtherType 0x0800
//	14  IPv4, no options, DF, TTL 64
//	34  UDP: source port by flow, destination port 9 (discard), checksum
//	42  trial, 4 bytes: what a counter knows its frames by
//	46  sequence number, 8 bytes, from 0 in each trial, direction and pair
//	54  zero
const (
	ipAt, udpAt      = 14, 34
	csumAt           = 40
	trialAt, seqAt   = 42, 46
	headersLen       = 42 // what every segment of a train has once: all but the UDP payload
	discardPort      = 9
	firstFlow        = 1024
	maxFlows         = 1<<16 - firstFlow
	dontFragment     = 0x40
	ttl              = 64
	protocolUDP      = 17
	etherTypeIPv4Hi  = 0x08
	ipVersionAndSize = 0x45
)

// stationBit is flipped in the first byte of an interface's MAC to name the
// station that test frames come from and go to. It is neither of the two bits
// that have a meaning.
const stationBit = 0x04

// station gives the MAC of the test station at an interface with this MAC.
func station(mac net.HardwareAddr) []byte {
	s := slices.Clone(mac)
	s[0] ^= stationBit
	return s
}

// buildFrame fills f, which is the frame's length, with number and flow 0.
func buildFrame(f []byte, src, dst []byte, from, to netip.Addr, trial uint32) {
	clear(f)
	copy(f[0:6], dst)
	copy(f[6:12], src)
	f[12] = etherTypeIPv4Hi
	ip := f[ipAt:]
	ip[0] = ipVersionAndSize
	binary.BigEndian.PutUint16(ip[2:], uint16(len(f)-ipAt))
	ip[6], ip[8], ip[9] = dontFragment, ttl, protocolUDP
	s, d := from.Unmap().As4(), to.Unmap().As4()
	copy(ip[12:], s[:])
	copy(ip[16:], d[:])
	binary.BigEndian.PutUint16(ip[10:], ^sum(ip[:20], 0))
	udp := f[udpAt:]
	binary.BigEndian.PutUint16(udp[0:], firstFlow)
	binary.BigEndian.PutUint16(udp[2:], discardPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(f)-udpAt))
	binary.BigEndian.PutUint32(f[trialAt:], trial)
	putChecksum(f, ^sum(udp, pseudoSum(f)))
}

// pseudoSum is the sum of the pseudo-header (RFC 768).
func pseudoSum(f []byte) uint64 {
	return offload.PseudoSum(f[ipAt+12:ipAt+16], f[ipAt+16:ipAt+20], protocolUDP, len(f)-udpAt)
}

// putChecksum writes UDP's, of which 0 would say that there is none.
func putChecksum(f []byte, csum uint16) {
	if csum == 0 {
		csum = math.MaxUint16
	}
	binary.BigEndian.PutUint16(f[csumAt:], csum)
}

// setNumber makes a frame one of a flow, with a sequence number. It changes the
// checksum by what it changes else (RFC 1624).
func setNumber(f []byte, n uint64, flow uint16) {
	udp, number := f[udpAt:udpAt+2], f[seqAt:seqAt+8]
	rest := uint64(^binary.BigEndian.Uint16(f[csumAt:])) + uint64(^sum(udp, 0)) + uint64(^sum(number, 0))
	binary.BigEndian.PutUint16(udp, firstFlow+flow)
	binary.BigEndian.PutUint64(number, n)
	putChecksum(f, ^sum(udp, rest+uint64(sum(number, 0))))
}

// sum is the one's complement sum of RFC 1071 of b and start.
func sum(b []byte, start uint64) uint16 { return offload.Fold(offload.Sum(b, start)) }
