package vswitch

import "encoding/binary"

// The IPv6 extension headers that can be read past (RFC 8200 section 4, RFC
// 4302 section 2). What follows an ESP header cannot be read; to the switch it
// is an upper-layer protocol, and so is whatever it does not know.
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51
	extDestination = 60

	// maxExtensions is above the six that a packet has at most: each of the
	// kinds once, destination options twice (RFC 8200 section 4.1).
	maxExtensions = 8
)

// upperLayer finds what an IPv6 packet carries behind its extension headers.
// It is not ok when the chain does not end within packet or within
// maxExtensions, or belongs to a later fragment, where no upper layer begins.
//
//	| next header (1) | length (1) | ... |               length in 8 bytes, less the first 8; AH: in 4 bytes, less 8
//	| next header (1) | reserved (1) | offset (13 bits), reserved (2), M (1) | identification (4) |
func upperLayer(packet []byte) (proto byte, payload []byte, ok bool) {
	proto, payload = packet[6], packet[ipv6Len:]
	for range maxExtensions {
		if len(payload) < 8 && isExtension(proto) {
			return 0, nil, false
		}
		var size int
		switch proto {
		case extHopByHop, extRouting, extDestination:
			size = (int(payload[1]) + 1) * 8
		case extAuth:
			size = (int(payload[1]) + 2) * 4
		case extFragment:
			if binary.BigEndian.Uint16(payload[2:])>>3 != 0 {
				return 0, nil, false
			}
			size = 8
		default:
			return proto, payload, true
		}
		if len(payload) < size {
			return 0, nil, false
		}
		proto, payload = payload[0], payload[size:]
	}
	return 0, nil, false
}

func isExtension(proto byte) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extAuth, extDestination:
		return true
	}
	return false
}
