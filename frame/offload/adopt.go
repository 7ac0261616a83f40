package offload

import (
	"encoding/binary"

	"weft/frame"
)

// Adopt finds out what the sender's kernel left undone in b, a frame without
// Frags that came out of a tunnel, and states it in b.Offload. A kernel VXLAN
// device on this machine hands its frames over without ever finishing them:
// checksums still hold only the pseudo-header's sum, and superframes arrive as
// one datagram. No header of the datagram tells of it.
//
// A TCP or UDP frame whose checksum is the bare pseudo-header sum gets
// NeedsCsum. If it is TCP with payload, it becomes a superframe, Guessed, whose
// segments fit in maxFrame bytes (Ethernet header and MTU). One that is no
// longer than that counts as one segment; but the connection's segments may be
// smaller than this end of the tunnel knows, and a port with a smaller MTU can
// then still have it cut. If it is UDP and gsoHint, the segment size that the
// kernel stated for the datagram (0 for none), is less than its payload, it
// becomes a superframe of that size, unless that makes more segments than a
// superframe has. A frame that is finished, or no TCP or
// UDP, stays as it is.
//
// The payload is not read. One finished frame in 65,536 has by chance a
// checksum that equals the pseudo-header's sum; to complete it again gives the
// same checksum.
func Adopt(b *frame.Buf, gsoHint, maxFrame int) {
	head := b.Head()
	p, ok := Parse(head)
	if !ok || p.Fragment || len(b.Frags) != 0 || !endsIn(head, p.End) {
		return
	}
	field := binary.BigEndian.Uint16(head[p.L4+p.csumOffset():])
	if field != Fold(p.pseudoSum(head, p.End-p.L4)) {
		return
	}
	o := frame.Offload{NeedsCsum: true, CsumStart: uint16(p.L4), CsumOffset: uint16(p.csumOffset())}
	size := 0
	switch {
	case p.Proto == protoUDP:
		if n := len(head) - p.HdrLen; gsoHint > 0 && n > gsoHint && n <= maxSegments*gsoHint {
			size = gsoHint
		}
	case p.End == len(head) && p.End > p.HdrLen && maxFrame > p.HdrLen:
		size = min(p.End, maxFrame) - p.HdrLen
		o.Guessed = true
		o.ECN = head[p.L4+tcpFlags]&flagCWR != 0
	}
	if size > 0 {
		o.GSO, o.GSOSize, o.HdrLen = p.gso(), uint16(size), uint16(p.HdrLen)
	}
	b.Offload = o
}

// endsIn reports whether the packet that ends at end fills head, but for
// padding to the least length of a frame. The padding must be zero, because
// NeedsCsum sums it too.
func endsIn(head []byte, end int) bool {
	if end == len(head) {
		return true
	}
	// 60 bytes without the frame check sequence, IEEE 802.3-2018 section 4A.4.2;
	// a tag that was added later makes it 64, two 68.
	const minFrame = 60 + 2*frame.TagLen
	if end > len(head) || len(head) > minFrame {
		return false
	}
	for _, x := range head[end:] {
		if x != 0 {
			return false
		}
	}
	return true
}
