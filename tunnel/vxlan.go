package tunnel

import (
	"encoding/binary"

	"weft/frame"
)

const (
	// DefaultPort is VXLAN's UDP port (IANA; RFC 7348 section 8).
	DefaultPort = 4789

	// HeaderLen is the length of a VXLAN header in bytes.
	HeaderLen = 8

	// OverheadV4 and OverheadV6 are what a tunnel takes of the underlay's MTU:
	// the inner Ethernet header (14), VXLAN (8), UDP (8) and IP (20 or 40).
	OverheadV4 = 14 + 8 + 8 + 20
	OverheadV6 = 14 + 8 + 8 + 40
)

// Header views a VXLAN header (RFC 7348 section 5):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|R|R|R|R|I|R|R|R|                   Reserved                    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                 VNI                           |   Reserved    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// The accessors want at least HeaderLen bytes.
type Header []byte

// flagI says that the VNI is valid.
const flagI = 0x08

// Valid reports whether the I flag is set.
func (h Header) Valid() bool { return h[0]&flagI != 0 }

// Reserved reports whether any reserved bit is set.
func (h Header) Reserved() bool {
	return binary.BigEndian.Uint32(h)&^(flagI<<24) != 0 || h[7] != 0
}

// VNI is the network.
func (h Header) VNI() frame.VNI { return frame.VNI(binary.BigEndian.Uint32(h[4:]) >> 8) }

// Put writes a header for the network, reserved bits zero.
func (h Header) Put(v frame.VNI) {
	binary.BigEndian.PutUint32(h, flagI<<24)
	binary.BigEndian.PutUint32(h[4:], uint32(v)<<8)
}
