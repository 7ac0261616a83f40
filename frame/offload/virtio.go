package offload

import (
	"encoding/binary"
	"fmt"

	"weft/frame"
)

// VirtioLen is the length in bytes of struct virtio_net_hdr, which a TAP with
// IFF_VNET_HDR puts before each frame (virtio 1.2 section 5.1.6, without the
// num_buffers field; little endian, as TUNSETVNETLE asks for):
//
//	0       1          2         4          6            8             10
//	| flags | gso type | hdr len | gso size | csum start | csum offset |
const VirtioLen = 10

const (
	virtioNeedsCsum = 1 // flags; DATA_VALID (2) is of no use to a switch

	virtioGSONone  = 0
	virtioGSOTCPv4 = 1
	virtioGSOTCPv6 = 4
	virtioGSOUDPL4 = 5
	virtioGSOECN   = 0x80 // a bit beside the type
)

// DecodeVirtio fills b.Offload from the virtio_net_hdr at the start of hdr,
// for the frame that b already is. It fails with [ErrMalformed], leaving
// Offload zero, on metadata that points outside of the frame or is of a kind
// that was not asked for, such as UFO (3).
//
// HdrLen is computed from the frame: the header's own hdr_len is but a hint
// how much to keep in one piece.
func DecodeVirtio(hdr []byte, b *frame.Buf) error {
	b.Offload = frame.Offload{}
	if len(hdr) < VirtioLen {
		return fmt.Errorf("virtio header of %d bytes: %w", len(hdr), ErrMalformed)
	}
	flags, gsoType := hdr[0], hdr[1]
	if flags&virtioNeedsCsum == 0 {
		if gsoType != virtioGSONone {
			return fmt.Errorf("superframe with a finished checksum: %w", ErrMalformed)
		}
		return nil
	}
	head := b.Head()
	o := frame.Offload{
		NeedsCsum:  true,
		CsumStart:  binary.LittleEndian.Uint16(hdr[6:]),
		CsumOffset: binary.LittleEndian.Uint16(hdr[8:]),
	}
	start := int(o.CsumStart)
	if start < frame.EthernetLen || start+int(o.CsumOffset)+2 > len(head) {
		return fmt.Errorf("checksum at %d+%d of %d bytes: %w", start, o.CsumOffset, len(head), ErrMalformed)
	}
	if gsoType == virtioGSONone {
		b.Offload = o
		return nil
	}

	o.GSOSize = binary.LittleEndian.Uint16(hdr[4:])
	o.ECN = gsoType&virtioGSOECN != 0
	field, hdrLen := tcpCsum, 0
	switch gsoType &^ virtioGSOECN {
	case virtioGSOTCPv4:
		o.GSO = frame.GSOTCPv4
	case virtioGSOTCPv6:
		o.GSO = frame.GSOTCPv6
	case virtioGSOUDPL4:
		o.GSO = frame.GSOUDP
		field, hdrLen = udpCsum, start+udpLen
	default:
		return fmt.Errorf("gso type %d: %w", gsoType, ErrMalformed)
	}
	if o.GSO != frame.GSOUDP {
		// The checksum field lies behind the data offset, so the bound above
		// covers this read once the field is known to be TCP's.
		if int(o.CsumOffset) != field {
			return fmt.Errorf("gso type %d with checksum offset %d: %w", gsoType, o.CsumOffset, ErrMalformed)
		}
		n := int(head[start+tcpDataOff]>>4) * 4
		if n < tcpLen {
			return fmt.Errorf("TCP header of %d bytes: %w", n, ErrMalformed)
		}
		hdrLen = start + n
	}
	if int(o.CsumOffset) != field || hdrLen > len(head) || o.GSOSize == 0 {
		return fmt.Errorf("gso type %d, size %d, headers of %d in %d bytes: %w",
			gsoType, o.GSOSize, hdrLen, len(head), ErrMalformed)
	}
	o.HdrLen = uint16(hdrLen)
	b.Offload = o
	return nil
}

// EncodeVirtio writes the virtio_net_hdr that tells b.Offload to a TAP to the
// first [VirtioLen] bytes of hdr.
func EncodeVirtio(hdr []byte, b *frame.Buf) {
	hdr = hdr[:VirtioLen]
	clear(hdr)
	o := &b.Offload
	if !o.NeedsCsum {
		return
	}
	hdr[0] = virtioNeedsCsum
	binary.LittleEndian.PutUint16(hdr[6:], o.CsumStart)
	binary.LittleEndian.PutUint16(hdr[8:], o.CsumOffset)
	gso := o.GSO
	if o.Guessed && b.Len() <= int(o.HdrLen)+int(o.GSOSize) {
		gso = frame.GSONone // most of what Adopt finds is an ordinary frame
	}
	switch gso {
	case frame.GSONone:
		return
	case frame.GSOTCPv4:
		hdr[1] = virtioGSOTCPv4
	case frame.GSOTCPv6:
		hdr[1] = virtioGSOTCPv6
	case frame.GSOUDP:
		hdr[1] = virtioGSOUDPL4
	}
	if o.ECN {
		hdr[1] |= virtioGSOECN
	}
	binary.LittleEndian.PutUint16(hdr[2:], o.HdrLen)
	binary.LittleEndian.PutUint16(hdr[4:], o.GSOSize)
}
