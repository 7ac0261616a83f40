package offload

import (
	"encoding/binary"

	"weft/frame"
)

// TunnelVirtioLen is the length in bytes of struct
// virtio_net_hdr_v1_hash_tunnel, which a TAP has for superframes that are in a
// UDP tunnel already (virtio 1.4 section 5.1.6; Linux 6.17):
//
//	0                  10            12           20                22                24
//	| virtio_net_hdr   | num buffers | hash       | outer UDP start | inner IP start  |
//
// The offsets of virtio_net_hdr are then from the start of the outer packet.
const TunnelVirtioLen = 24

const (
	virtioTunnelCsum = 8 // flags: the outer UDP checksum is to be finished, too

	virtioTunnelIPv4 = 0x20 // bits beside the gso type
	virtioTunnelIPv6 = 0x40

	virtioOuterUDP = 20
	virtioInnerIP  = 22
)

// EncodeTunnelVirtio writes the header of a superframe without tags that is
// behind outer bytes of tunnel headers, with UDP's at udp, to the first
// [TunnelVirtioLen] bytes of hdr. v6 is the outer IP's version.
func EncodeTunnelVirtio(hdr []byte, b *frame.Buf, outer, udp int, v6 bool) {
	hdr = hdr[:TunnelVirtioLen]
	clear(hdr[VirtioLen:])
	EncodeVirtio(hdr, b)
	hdr[0] |= virtioTunnelCsum
	if v6 {
		hdr[1] |= virtioTunnelIPv6
	} else {
		hdr[1] |= virtioTunnelIPv4
	}
	for _, at := range []int{2, 6} { // header length, start of the checksum
		binary.LittleEndian.PutUint16(hdr[at:], binary.LittleEndian.Uint16(hdr[at:])+uint16(outer))
	}
	binary.LittleEndian.PutUint16(hdr[virtioOuterUDP:], uint16(udp))
	binary.LittleEndian.PutUint16(hdr[virtioInnerIP:], uint16(outer+frame.EthernetLen))
}
