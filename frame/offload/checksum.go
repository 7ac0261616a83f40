package offload

import (
	"encoding/binary"
	"math/bits"

	"weft/frame"
)

// The Internet checksum (RFC 1071) is the complement of the one's complement
// sum of 16-bit words. A partial sum here is a plain uint64 to which such
// words, and lengths, may simply be added: Sum gives away at most 16 bits more
// than it was given, so that a carry out of 64 bits cannot be lost.

// Sum adds the one's complement sum of b to the partial sum initial. A last
// odd byte counts as the high half of a word, so that a sum may go on behind b
// only when b's length is even.
func Sum(b []byte, initial uint64) uint64 {
	// One's complement addition commutes with swapping the bytes of every
	// word (RFC 1071 section 2B), hence loads in the order that is free on
	// the machines of today and one swap at the end.
	var s, c uint64
	if hasWide && len(b) >= 256 { // for less the call costs more than it saves
		n := len(b) &^ 63
		s, b = sumWide(b[:n]), b[n:]
	}
	for len(b) >= 64 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[56:]), c)
		s += c // cannot wrap: a sum that carried is below its addend
		b = b[64:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	// Less than a word is left: its bytes, in their places.
	var tail uint64
	at := 0
	if len(b) >= 4 {
		tail, at, b = uint64(binary.LittleEndian.Uint32(b)), 32, b[4:]
	}
	for _, x := range b {
		tail |= uint64(x) << at
		at += 8
	}
	s, c = bits.Add64(s, tail, 0)
	s += c

	s, c = bits.Add64(initial, uint64(bits.ReverseBytes16(Fold(s))), 0)
	return s + c
}

// Fold reduces a partial sum to 16 bits. The checksum is its complement.
func Fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff // 33 bits
	s = s>>16 + s&0xffff     // 18 bits
	s = s>>16 + s&0xffff     // 17 bits
	s = s>>16 + s&0xffff
	return uint16(s)
}

// PseudoSum is the partial sum of the pseudo-header that TCP and UDP include
// in their checksums: RFC 9293 section 3.1 for IPv4 (addresses of 4 bytes),
// RFC 8200 section 8.1 for IPv6 (16 bytes). length is that of the TCP or UDP
// header and payload in bytes.
func PseudoSum(src, dst []byte, proto uint8, length int) uint64 {
	return Sum(dst, Sum(src, uint64(proto)+uint64(length)))
}

// FinishChecksum completes in place the checksum of a frame with NeedsCsum and
// clears the mark. It leaves alone a finished frame, a superframe (whose
// segments get their own), and one whose offsets lie outside of Head, which
// [DecodeVirtio] and [Adopt] never make.
func FinishChecksum(b *frame.Buf) {
	o := &b.Offload
	if !o.NeedsCsum || o.GSO != frame.GSONone {
		return
	}
	head := b.Head()
	start, field := int(o.CsumStart), int(o.CsumStart)+int(o.CsumOffset)
	if field+2 > len(head) {
		return
	}
	s := Sum(head[start:], 0)
	odd := (len(head)-start)&1 == 1
	for _, f := range b.Frags {
		s += partSum(f, odd)
		odd = odd != (len(f)&1 == 1)
	}
	binary.BigEndian.PutUint16(head[field:], checksum(s, o.CsumOffset == udpCsum))
	o.NeedsCsum = false
}

// partSum is the partial sum of b as the continuation of earlier bytes, of
// which there was an odd number when odd is set: b's first byte is then the
// low half of a word.
func partSum(b []byte, odd bool) uint64 {
	s := Sum(b, 0)
	if odd {
		return uint64(bits.ReverseBytes16(uint16(s)))
	}
	return s
}

// checksum complements a partial sum. UDP sends 0xffff, which is equal to it,
// for a checksum of 0, because 0 says "none" there (RFC 768).
func checksum(s uint64, udp bool) uint16 {
	c := ^Fold(s)
	if c == 0 && udp {
		return 0xffff
	}
	return c
}
