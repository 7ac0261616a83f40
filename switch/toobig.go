package vswitch

import (
	"encoding/binary"

	"weft/fib"
	"weft/frame"
)

// A bridge has no address to send errors from, so one that drops an oversize
// packet silently makes a black hole of every path that relies on path MTU
// discovery (RFC 1191, RFC 8201). weft answers as if the packet's destination
// did: ICMP type 3 code 4 (RFC 792, RFC 1191 section 4), ICMPv6 type 2
// (RFC 4443 section 3.2). It answers IPv4 packets without DF, too: a bridge
// cannot fragment them, and the sender that learns the MTU can.

const (
	// answersPerTick bounds a worker to 100 answers a second (RFC 1812 section
	// 4.3.2.8, RFC 4443 section 2.4 (f)), enough for each of many flows to
	// learn its MTU in the first second.
	answersPerTick = 10

	quoteV4 = 548  // of the packet; the answer is then 576 bytes (RFC 1812 section 4.3.2.3)
	quoteV6 = 1232 // of the packet; the answer is then 1280 bytes (RFC 4443 section 3.2)

	ipv4Len, ipv6Len, icmpLen = 20, 40, 8
	protoICMP, protoICMPv6    = 1, 58
	icmpv6Redirect            = 137 // RFC 4861 section 4.5
)

// answer is an ICMP message on its way to where a frame came from.
type answer struct {
	buf *frame.Buf
	to  frame.PortID
}

// tooBigLimiter collects a batch's answers and bounds their rate.
type tooBigLimiter struct {
	tick    fib.Tick
	given   int
	pending []answer
}

// add answers the frame, unless it carries nothing that may be answered or too
// many were answered lately. mtu is in bytes of the frame's payload.
func (l *tooBigLimiter) add(now fib.Tick, b *frame.Buf, in *attachment, mtu int) {
	if l.tick != now {
		l.tick, l.given = now, 0
	}
	if l.given >= answersPerTick {
		return
	}
	if mem := tooBigAnswer(b.Head(), mtu); mem != nil {
		l.given++
		buf := &frame.Buf{VNI: b.VNI}
		buf.Set(mem, frame.Headroom)
		l.pending = append(l.pending, answer{buf, in.id})
	}
}

// answerTooBig queues the batch's answers at the ports its frames came from.
func (w *worker) answerTooBig(snap *snapshot) {
	for _, a := range w.tooBig.pending {
		out := snap.port(a.to)
		if out == nil || out.down {
			continue
		}
		s := w.touch(out.id)
		if s.port != out.port {
			s.port, s.tx = out.port, out.port.NewTx()
		}
		s.out = append(s.out, a.buf)
	}
	clear(w.tooBig.pending)
	w.tooBig.pending = w.tooBig.pending[:0]
}

// tooBigAnswer builds the ICMP answer to the frame whose first part is head, in
// memory of its own behind frame.Headroom; nil when there is none to give.
func tooBigAnswer(head []byte, mtu int) []byte {
	eth := frame.Ethernet(head)
	if !eth.Valid() || eth.Dst().IsGroup() {
		return nil
	}
	l2 := eth.HeaderLen()
	packet := head[l2:]

	mem := make([]byte, frame.Headroom, frame.Headroom+l2+ipv6Len+icmpLen+quoteV6)
	mem = append(mem, head[6:12]...)
	mem = append(mem, head[0:6]...)
	mem = append(mem, head[12:l2]...)
	switch eth.EtherType() {
	case frame.EtherTypeIPv4:
		return appendFragmentationNeeded(mem, packet, mtu)
	case frame.EtherTypeIPv6:
		return appendPacketTooBig(mem, packet, mtu)
	}
	return nil
}

// appendFragmentationNeeded appends an IPv4 header and:
//
//	| type 3 | code 4 | checksum (2) | unused (2) | next-hop MTU (2) | quote ... |
func appendFragmentationNeeded(mem, packet []byte, mtu int) []byte {
	if len(packet) < ipv4Len || packet[0]>>4 != 4 {
		return nil
	}
	ihl := int(packet[0]&0xf) * 4
	fragmentOffset := binary.BigEndian.Uint16(packet[6:]) & 0x1fff
	src, dst := packet[12:16], packet[16:20]
	if ihl < ipv4Len || len(packet) < ihl+8 || fragmentOffset != 0 || !isUnicastV4(src) || !isUnicastV4(dst) {
		return nil
	}
	if packet[9] == protoICMP && !isEcho(packet[ihl], 0, 8) {
		return nil // never an error about an error (RFC 1122 section 3.2.2)
	}
	quote := packet[:min(len(packet), quoteV4)]

	ip := len(mem)
	mem = append(mem, 0x45, 0xc0, 0, 0, 0, 0, 0, 0, 64, protoICMP, 0, 0) // DSCP CS6 as routers use
	binary.BigEndian.PutUint16(mem[ip+2:], uint16(ipv4Len+icmpLen+len(quote)))
	mem = append(mem, dst...)
	mem = append(mem, src...)
	binary.BigEndian.PutUint16(mem[ip+10:], ^checksum(mem[ip:], 0))

	icmp := len(mem)
	mem = append(mem, 3, 4, 0, 0, 0, 0)
	mem = binary.BigEndian.AppendUint16(mem, uint16(min(mtu, 0xffff)))
	mem = append(mem, quote...)
	binary.BigEndian.PutUint16(mem[icmp+2:], ^checksum(mem[icmp:], 0))
	return mem
}

// appendPacketTooBig appends an IPv6 header and:
//
//	| type 2 | code 0 | checksum (2) | MTU (4) | quote ... |
func appendPacketTooBig(mem, packet []byte, mtu int) []byte {
	if len(packet) < ipv6Len || packet[0]>>4 != 6 {
		return nil
	}
	src, dst := packet[8:24], packet[24:40]
	if src[0] == 0xff || dst[0] == 0xff || [16]byte(src) == [16]byte{} {
		return nil
	}
	proto, payload, ok := upperLayer(packet)
	if !ok || proto == protoICMPv6 && !mayBeAnswered(payload) {
		return nil
	}
	quote := packet[:min(len(packet), quoteV6)]

	ip := len(mem)
	mem = append(mem, 0x60, 0, 0, 0, 0, 0, protoICMPv6, 64)
	length := icmpLen + len(quote)
	binary.BigEndian.PutUint16(mem[ip+4:], uint16(length))
	mem = append(mem, dst...)
	mem = append(mem, src...)

	icmp := len(mem)
	mem = append(mem, 2, 0, 0, 0)
	mem = binary.BigEndian.AppendUint32(mem, uint32(mtu))
	mem = append(mem, quote...)
	// The pseudo-header (RFC 8200 section 8.1) has the addresses, which stand
	// together in front of the message, the length and the next header.
	sum := checksum(mem[ip+8:], uint32(length)+protoICMPv6)
	binary.BigEndian.PutUint16(mem[icmp+2:], ^sum)
	return mem
}

// mayBeAnswered reports whether an ICMPv6 message is neither an error, which
// types below 128 are, nor a redirect (RFC 4443 section 2.4 (e.1), (e.2)).
func mayBeAnswered(icmp []byte) bool {
	return len(icmp) > 0 && icmp[0] >= 128 && icmp[0] != icmpv6Redirect
}

func isUnicastV4(a []byte) bool { return a[0] != 0 && a[0] < 224 }

func isEcho(icmpType, reply, request byte) bool { return icmpType == reply || icmpType == request }

// checksum is the Internet checksum's one's complement sum (RFC 1071) of a few
// hundred bytes.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
