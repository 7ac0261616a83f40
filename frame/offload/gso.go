package offload

import (
	"encoding/binary"

	"weft/frame"
)

const (
	// maxSegments bounds what one superframe may become. Linux sends TCP
	// segments of no less than 48 bytes (1,366 of them in 64 KiB) and at most
	// 128 UDP datagrams.
	maxSegments = 2048

	// maxHeaders bounds the headers that are copied for each segment: two
	// tags, IPv6, TCP with all its options (122 bytes), and as much again of
	// extension headers.
	maxHeaders = 256

	// Scratch to start with: 64 KiB in segments of 536 bytes (the default MSS
	// of RFC 9293 section 3.7.1), and the longest headers over IPv4.
	usualSegments = 128
	usualHeaders  = 142
)

// Segmenter cuts superframes. It owns the headers of the segments that it
// gave last.
type Segmenter struct {
	headers []byte
	out     []frame.Buf
	frags   [][]byte
}

// NewSegmenter makes a Segmenter.
func NewSegmenter() *Segmenter {
	return &Segmenter{
		headers: make([]byte, usualSegments*(frame.Headroom+usualHeaders)),
		out:     make([]frame.Buf, usualSegments),
		frags:   make([][]byte, 0, 2*usualSegments),
	}
}

// Segment cuts the superframe b into finished frames, each with its lengths,
// IPv4 id, TCP sequence number, flags and checksums. FIN and PSH stay with the
// last one, CWR with the first when b.Offload.ECN.
//
// The segments' headers are the Segmenter's, with [frame.Headroom] before
// them; their payload lies in Frags and is b's own memory, in one piece unless
// b's Frags divide it. Both are valid until the next call and as long as b is.
// b itself is not written to.
//
// [ErrMalformed] when the metadata contradicts the headers, and when headers
// or segments exceed what real stacks make.
func (s *Segmenter) Segment(b *frame.Buf) ([]frame.Buf, error) {
	head := b.Head()
	total := b.Len()
	p, ok := Parse(head)
	if !ok || !cuttable(&p, &b.Offload, total) {
		return nil, ErrMalformed
	}
	size, payload := int(b.Offload.GSOSize), total-p.HdrLen
	n := max(1, (payload+size-1)/size)
	if n > maxSegments {
		return nil, ErrMalformed
	}
	slot := frame.Headroom + p.HdrLen
	s.grow(n, slot)

	t := newTemplate(&p, head, total, b.Offload.ECN)
	rest := reader{cur: head[p.HdrLen:], next: b.Frags}
	for i := range n {
		length := min(size, payload-i*size)
		mark := len(s.frags)
		var sum uint64
		s.frags, sum = rest.take(s.frags, length)

		mem := s.headers[i*slot : (i+1)*slot : (i+1)*slot]
		h := mem[frame.Headroom:]
		copy(h, head[:p.HdrLen])
		t.put(h, i, i*size, length, i == n-1, sum)

		out := &s.out[i]
		out.Set(mem, frame.Headroom)
		out.Frags = s.frags[mark:len(s.frags):len(s.frags)]
		out.VNI, out.Ingress = b.VNI, b.Ingress
	}
	return s.out[:n], nil
}

// cuttable reports whether o describes the packet p in a frame of total bytes.
func cuttable(p *Packet, o *frame.Offload, total int) bool {
	return o.GSO == p.gso() && o.NeedsCsum && o.GSOSize != 0 && !p.Fragment &&
		int(o.HdrLen) == p.HdrLen && p.HdrLen <= maxHeaders &&
		int(o.CsumStart) == p.L4 && int(o.CsumOffset) == p.csumOffset() &&
		p.End == total
}

// grow makes room for n segments with headers of slot bytes each.
func (s *Segmenter) grow(n, slot int) {
	if len(s.headers) < n*slot {
		s.headers = make([]byte, n*slot)
	}
	if len(s.out) < n {
		s.out = make([]frame.Buf, n)
	}
	s.frags = s.frags[:0]
}

// template holds what all segments of a superframe share.
type template struct {
	p      *Packet
	first  uint32 // TCP: the sequence number of the superframe
	id     uint16 // IPv4: the id of the superframe
	flags  uint8  // TCP: the flags of the superframe
	ecn    bool
	l3, l4 uint64 // partial sums of the headers without the fields that differ
}

// newTemplate sums the headers once. The partial sums leave out the fields
// that differ from segment to segment, and the checksums.
func newTemplate(p *Packet, head []byte, total int, ecn bool) template {
	t := template{p: p, ecn: ecn}
	if !p.IPv6 {
		ip := head[p.L3:p.L4]
		t.id = binary.BigEndian.Uint16(ip[ipv4ID:])
		t.l3 = Sum(ip[ipv4Csum+2:], Sum(ip[ipv4Frag:ipv4Csum], Sum(ip[:ipv4Total], 0)))
	}
	l4 := head[p.L4:p.HdrLen]
	// The checksum field holds the pseudo-header's sum, which includes the
	// superframe's length: the complement takes it out again. Starting from
	// the field rather than the addresses also serves IPv6 routing headers,
	// where the final destination is elsewhere.
	t.l4 = uint64(binary.BigEndian.Uint16(l4[p.csumOffset():])) + uint64(^uint16(total-p.L4))
	if p.Proto == protoUDP {
		t.l4 = Sum(l4[:udpLenOff], t.l4)
		return t
	}
	t.first = binary.BigEndian.Uint32(l4[tcpSeq:])
	t.flags = l4[tcpFlags]
	t.l4 += uint64(l4[tcpDataOff]) << 8
	t.l4 = Sum(l4[:tcpSeq], t.l4)
	t.l4 = Sum(l4[tcpAck:tcpDataOff], t.l4)
	t.l4 = Sum(l4[tcpWindow:tcpCsum], t.l4)
	t.l4 = Sum(l4[tcpUrgent:], t.l4)
	return t
}

// put completes h, a copy of the superframe's headers, for segment i with
// length bytes of payload from offset on, whose partial sum is sum.
func (t *template) put(h []byte, i, offset, length int, last bool, sum uint64) {
	p := t.p
	ipLen := p.HdrLen - p.L3 + length
	p.putLength(h, ipLen)
	if !p.IPv6 {
		id := t.id + uint16(i)
		binary.BigEndian.PutUint16(h[p.L3+ipv4ID:], id)
		binary.BigEndian.PutUint16(h[p.L3+ipv4Csum:], ^Fold(t.l3+uint64(ipLen)+uint64(id)))
	}
	l4 := h[p.L4:]
	l4Len := uint64(p.HdrLen - p.L4 + length)
	sum += t.l4 + l4Len // in the pseudo-header
	if p.Proto == protoUDP {
		binary.BigEndian.PutUint16(l4[udpLenOff:], uint16(l4Len))
		binary.BigEndian.PutUint16(l4[udpCsum:], checksum(sum+l4Len, true))
		return
	}
	seq := t.first + uint32(offset)
	flags := t.flags
	if !last {
		flags &^= flagFIN | flagPSH
	}
	if t.ecn && i > 0 {
		flags &^= flagCWR
	}
	binary.BigEndian.PutUint32(l4[tcpSeq:], seq)
	l4[tcpFlags] = flags
	binary.BigEndian.PutUint16(l4[tcpCsum:], checksum(sum+uint64(seq)+uint64(flags), false))
}

// reader walks the payload of a superframe, cur first, then next.
type reader struct {
	cur  []byte
	next [][]byte
}

// take appends the next n bytes to frags, and gives their partial sum.
func (r *reader) take(frags [][]byte, n int) ([][]byte, uint64) {
	var sum uint64
	odd := false
	for n > 0 {
		for len(r.cur) == 0 {
			r.cur, r.next = r.next[0], r.next[1:]
		}
		part := r.cur[:min(n, len(r.cur))]
		r.cur = r.cur[len(part):]
		n -= len(part)
		frags = append(frags, part)
		sum += partSum(part, odd)
		odd = odd != (len(part)&1 == 1)
	}
	return frags, sum
}
