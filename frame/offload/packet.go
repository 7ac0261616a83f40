package offload

import (
	"encoding/binary"

	"weft/frame"
)

// IP protocol numbers (IANA), the IPv6 extension headers among them.
const (
	protoHopByHop = 0
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoDestOpts = 60
)

// Offsets within an IPv4 header (RFC 791 section 3.1), in bytes.
const (
	ipv4Len   = 20 // of the header, without options
	ipv4Total = 2
	ipv4ID    = 4
	ipv4Frag  = 6 // flags (3 bits) and fragment offset
	ipv4Proto = 9
	ipv4Csum  = 10
	ipv4Src   = 12
	ipv4Dst   = 16
)

// Offsets within an IPv6 header (RFC 8200 section 3), in bytes.
const (
	ipv6Len     = 40 // of the header, without extension headers
	ipv6Payload = 4
	ipv6Next    = 6
	ipv6Src     = 8
	ipv6Dst     = 24
)

// Offsets within a TCP header (RFC 9293 section 3.1), in bytes, and flags.
const (
	tcpLen     = 20 // of the header, without options
	tcpSeq     = 4
	tcpAck     = 8
	tcpDataOff = 12 // header length in words, in the high 4 bits
	tcpFlags   = 13
	tcpWindow  = 14
	tcpCsum    = 16
	tcpUrgent  = 18

	flagFIN = 0x01
	flagPSH = 0x08
	flagACK = 0x10
	flagCWR = 0x80
)

// portsLen is the length of the port numbers that TCP's and UDP's headers begin
// with, in bytes.
const portsLen = 4

// Offsets within a UDP header (RFC 768), in bytes.
const (
	udpLen     = 8 // of the header
	udpLenOff  = 4
	udpCsum    = 6
	ethTypeOff = 12
)

// Packet says where the headers of a frame lie. Offsets are in bytes from the
// destination address.
type Packet struct {
	// L3 is the offset of the IP header, L4 that of the TCP or UDP header.
	L3, L4 int
	// HdrLen is the length of all headers: the offset of the payload.
	HdrLen int
	// End is where the packet ends as the IP header has it. A frame may be
	// longer (padding) or, being cut off, shorter.
	End int
	// EtherType is that behind the tags.
	EtherType uint16
	// Proto is the number of the protocol at L4.
	Proto uint8
	IPv6  bool
	// Fragment: an IPv4 fragment, or IPv6 with a fragment header. L4 and
	// HdrLen are then where the fragment's data starts, be it a header or not.
	Fragment bool
}

// Parse finds the headers of a frame that carries TCP or UDP over IP, behind
// up to two tags, IPv4 options and IPv6 extension headers. It reports false
// for every other frame, and when head ends before the headers do. Lengths
// that concern the payload are not compared with head, which may be a part of
// the frame.
func Parse(head []byte) (Packet, bool) {
	var p Packet
	ok := p.locate(head) == knownL4
	return p, ok
}

// known says how much of a frame locate understood.
type known uint8

const (
	knownL2 known = iota // nothing but EtherType, if even that
	knownL3              // the IP header: L3, End, IPv6, and Fragment and Proto as far as they could be read
	knownL4              // all of Packet
)

// locate fills p, which is zero, as far as head can be understood.
func (p *Packet) locate(head []byte) known {
	if len(head) < frame.EthernetLen {
		return knownL2
	}
	p.EtherType = binary.BigEndian.Uint16(head[ethTypeOff:])
	p.L3 = frame.EthernetLen
	for tags := 0; tags < 2 && (p.EtherType == frame.EtherTypeVLAN || p.EtherType == frame.EtherTypeQinQ); tags++ {
		if len(head) < p.L3+frame.TagLen {
			return knownL2
		}
		p.EtherType = binary.BigEndian.Uint16(head[p.L3+2:])
		p.L3 += frame.TagLen
	}
	ip := head[p.L3:]
	switch p.EtherType {
	case frame.EtherTypeIPv4:
		if len(ip) < ipv4Len || ip[0]>>4 != 4 {
			return knownL2
		}
		n := int(ip[0]&0x0f) * 4
		p.End = p.L3 + int(binary.BigEndian.Uint16(ip[ipv4Total:]))
		p.L4 = p.L3 + n
		p.Proto = ip[ipv4Proto]
		p.Fragment = binary.BigEndian.Uint16(ip[ipv4Frag:])&0x3fff != 0 // more fragments, or an offset
		if n < ipv4Len || len(ip) < n {
			return knownL3
		}
	case frame.EtherTypeIPv6:
		if len(ip) < ipv6Len || ip[0]>>4 != 6 {
			return knownL2
		}
		p.IPv6 = true
		p.End = p.L3 + ipv6Len + int(binary.BigEndian.Uint16(ip[ipv6Payload:]))
		if !p.skipExtensions(head) {
			return knownL3
		}
	default:
		return knownL2
	}
	return p.transport(head)
}

// skipExtensions sets Proto, L4 and Fragment of an IPv6 packet (RFC 8200
// section 4) and reports whether head holds all extension headers. A routing
// header that has segments left hides the address that checksums are made
// with; such a packet fails verification and is then treated as one to leave
// alone.
func (p *Packet) skipExtensions(head []byte) bool {
	p.Proto = head[p.L3+ipv6Next]
	p.L4 = p.L3 + ipv6Len
	for {
		n := 0
		switch p.Proto {
		case protoHopByHop, protoRouting, protoDestOpts:
			if len(head) < p.L4+8 {
				return false
			}
			n = 8 + 8*int(head[p.L4+1])
		case protoFragment:
			n = 8
			p.Fragment = true
		default:
			return true
		}
		if len(head) < p.L4+n {
			return false
		}
		p.Proto = head[p.L4]
		p.L4 += n
		if p.Fragment {
			return true
		}
	}
}

func (p *Packet) transport(head []byte) known {
	n := 0
	switch {
	case p.Proto != protoTCP && p.Proto != protoUDP:
		return knownL3
	case p.Fragment:
	case p.Proto == protoUDP:
		n = udpLen
	default:
		if len(head) < p.L4+tcpLen {
			return knownL3
		}
		n = int(head[p.L4+tcpDataOff]>>4) * 4
		if n < tcpLen {
			return knownL3
		}
	}
	p.HdrLen = p.L4 + n
	if p.HdrLen > len(head) || p.HdrLen > p.End {
		return knownL3
	}
	return knownL4
}

// pseudoSum is the pseudo-header's sum for length bytes of TCP or UDP.
func (p *Packet) pseudoSum(head []byte, length int) uint64 {
	ip := head[p.L3:]
	if p.IPv6 {
		return PseudoSum(ip[ipv6Src:ipv6Dst], ip[ipv6Dst:ipv6Len], p.Proto, length)
	}
	return PseudoSum(ip[ipv4Src:ipv4Dst], ip[ipv4Dst:ipv4Len], p.Proto, length)
}

// putLength writes the IP length fields for a packet of total bytes from L3
// on.
func (p *Packet) putLength(head []byte, total int) {
	if p.IPv6 {
		binary.BigEndian.PutUint16(head[p.L3+ipv6Payload:], uint16(total-ipv6Len))
		return
	}
	binary.BigEndian.PutUint16(head[p.L3+ipv4Total:], uint16(total))
}

// csumOffset is where the checksum field lies in the header at L4.
func (p *Packet) csumOffset() int {
	if p.Proto == protoUDP {
		return udpCsum
	}
	return tcpCsum
}

// gso is the kind of superframe that such packets form.
func (p *Packet) gso() frame.GSO {
	switch {
	case p.Proto == protoUDP:
		return frame.GSOUDP
	case p.IPv6:
		return frame.GSOTCPv6
	default:
		return frame.GSOTCPv4
	}
}
