package offload

import (
	"bytes"
	"encoding/binary"

	"weft/frame"
)

const (
	// maxFlows is how many flows may be open at once. One batch rarely holds
	// more bulk flows, and a search through eight keys stays within a cache
	// line.
	maxFlows = 8

	// maxPacket is the longest IP packet, headers included, in bytes. (An
	// IPv6 packet could be longer by its header; the kernel's own superframes
	// are not.)
	maxPacket = 65535

	// maxDatagrams is how many UDP datagrams a superframe holds at most, as many
	// as the kernel itself puts together (UDP_GRO_CNT_MAX).
	maxDatagrams = 64
)

// Coalescer merges TCP segments that follow each other within a batch into
// superframes, and UDP datagrams of a flow that are of equal length, without
// copying: the Buf of the first gets the payload of later ones as Frags.
//
// A segment joins an open superframe when it continues its sequence numbers
// and no header field differs but lengths, checksums, IPv4 id and the PSH
// flag; the id may differ only as RFC 6864 section 4.1 lets it, or count up.
// All checksums are verified before, because a superframe's NeedsCsum ends
// verification; a datagram without one stays alone. The frames that [Segmenter]
// cuts from a superframe are those it was made of.
//
// The order of frames within a flow never changes: any other frame of a flow
// (a pure acknowledgement, a FIN, a retransmission) closes the flow's
// superframe, and a fragment, which may belong to any flow, closes all.
//
// Use: Begin, then Add for every frame, then Finish before the batch is read.
type Coalescer struct {
	batch *frame.Batch
	n     int // open flows, in keys[:n] and flows[:n]
	keys  [maxFlows]uint64
	flows [maxFlows]flow
	evict int // the flow to close when another one needs its place
}

// flow is a superframe that may still grow.
type flow struct {
	buf      *frame.Buf
	p        Packet
	size     int    // payload of the first segment, and so of all but the last
	end      int    // length of the superframe so far
	seq      uint32 // TCP: the sequence number that continues it
	id       uint16 // IPv4: the id that continues it
	verified bool   // the first segment's checksums were found good
	merged   bool
	push     bool
}

// Begin starts on the batch, to which Add will add.
func (c *Coalescer) Begin(batch *frame.Batch) {
	c.batch, c.n = batch, 0
}

// Add adds the frame mem[off:], as it came out of a tunnel and with its inner
// ECN field final. It gives the frame's Buf in the batch, or nil when the frame
// became part of an earlier Buf. Memory is borrowed as long as the batch's is,
// with [frame.Headroom] bytes before off. The batch must not be full.
func (c *Coalescer) Add(mem []byte, off int, vni frame.VNI, ingress frame.PortID) *frame.Buf {
	head := mem[off:]
	p, ok := Parse(head)
	switch {
	case !ok:
		return c.append(mem, off, vni, ingress)
	case p.Fragment:
		c.closeAll()
		return c.append(mem, off, vni, ingress)
	}

	key := flowKey(&p, head)
	for i := range c.n {
		f := &c.flows[i]
		if c.keys[i] != key || !f.sameFlow(&p, head, vni, ingress) {
			continue
		}
		if f.join(&p, head) {
			if f.full(p.End - p.HdrLen) {
				c.close(i)
			}
			return nil
		}
		c.close(i)
		break
	}
	b := c.append(mem, off, vni, ingress)
	if b != nil && mayOpen(&p, head) {
		c.open(key, b, &p, head)
	}
	return b
}

// Finish completes the headers and the Offload of what was merged. A frame
// with which none was merged stays as it was received, verified or not.
func (c *Coalescer) Finish() { c.closeAll() }

func (c *Coalescer) append(mem []byte, off int, vni frame.VNI, ingress frame.PortID) *frame.Buf {
	b := c.batch.Next()
	if b == nil {
		return nil
	}
	b.Set(mem, off)
	b.VNI, b.Ingress = vni, ingress
	return b
}

func (c *Coalescer) open(key uint64, b *frame.Buf, p *Packet, head []byte) {
	if c.n == maxFlows {
		c.close(c.evict)
		c.evict = (c.evict + 1) % maxFlows
	}
	f := flow{buf: b, p: *p, size: p.End - p.HdrLen, end: p.End}
	if p.Proto == protoTCP {
		f.seq = binary.BigEndian.Uint32(head[p.L4+tcpSeq:]) + uint32(f.size)
	}
	if !p.IPv6 {
		f.id = binary.BigEndian.Uint16(head[p.L3+ipv4ID:]) + 1
	}
	c.keys[c.n], c.flows[c.n] = key, f
	c.n++
}

// close finishes flow i and puts the last one in its place.
func (c *Coalescer) close(i int) {
	c.flows[i].finish()
	c.n--
	c.keys[i], c.flows[i] = c.keys[c.n], c.flows[c.n]
}

func (c *Coalescer) closeAll() {
	for c.n > 0 {
		c.close(c.n - 1)
	}
}

// flowKey tells flows apart cheaply and almost always.
func flowKey(p *Packet, head []byte) uint64 {
	ports := uint64(binary.LittleEndian.Uint32(head[p.L4:]))
	ip := head[p.L3:]
	if p.IPv6 {
		return ports<<32 | uint64(binary.LittleEndian.Uint32(ip[ipv6Src+12:])^binary.LittleEndian.Uint32(ip[ipv6Dst+12:]))
	}
	return ports<<32 | uint64(binary.LittleEndian.Uint32(ip[ipv4Src:])^binary.LittleEndian.Uint32(ip[ipv4Dst:]))
}

// mayOpen reports whether other segments may join the one at head.
func mayOpen(p *Packet, head []byte) bool {
	if p.End != len(head) || p.End <= p.HdrLen || p.End-p.L3 > maxPacket {
		return false
	}
	if p.Proto == protoUDP {
		return wholeDatagram(p, head)
	}
	return head[p.L4+tcpFlags] == flagACK
}

// wholeDatagram reports whether the lengths of IP and UDP agree and there is a
// checksum.
func wholeDatagram(p *Packet, head []byte) bool {
	l4 := head[p.L4:]
	return int(binary.BigEndian.Uint16(l4[udpLenOff:])) == p.End-p.L4 && binary.BigEndian.Uint16(l4[udpCsum:]) != 0
}

// sameFlow reports whether head is a frame between the same two sockets as f:
// one that must not overtake another.
func (f *flow) sameFlow(p *Packet, head []byte, vni frame.VNI, ingress frame.PortID) bool {
	first := f.buf.Head()
	if f.buf.VNI != vni || f.buf.Ingress != ingress || f.p.IPv6 != p.IPv6 || f.p.Proto != p.Proto || f.p.L3 != p.L3 ||
		!bytes.Equal(first[:p.L3], head[:p.L3]) || !bytes.Equal(first[f.p.L4:f.p.L4+portsLen], head[p.L4:p.L4+portsLen]) {
		return false
	}
	a, b := first[p.L3:], head[p.L3:]
	if p.IPv6 {
		return bytes.Equal(a[ipv6Src:ipv6Len], b[ipv6Src:ipv6Len])
	}
	return bytes.Equal(a[ipv4Src:ipv4Len], b[ipv4Src:ipv4Len])
}

// join adds the segment at head to f, if it continues f and both are intact.
func (f *flow) join(p *Packet, head []byte) bool {
	size := p.End - p.HdrLen
	if p.End != len(head) || size <= 0 || size > f.size || f.end+size-p.L3 > maxPacket ||
		p.L4 != f.p.L4 || p.HdrLen != f.p.HdrLen {
		return false
	}
	first := f.buf.Head()
	if !f.continues(p, first, head) || !f.sameIP(first[p.L3:p.L4], head[p.L3:p.L4]) {
		return false
	}
	if !f.verified {
		if !intact(&f.p, first) {
			return false
		}
		f.verified = true
	}
	if !intact(p, head) {
		return false
	}
	f.buf.Frags = append(f.buf.Frags, head[p.HdrLen:])
	f.end += size
	f.seq += uint32(size)
	f.id++
	f.merged = true
	f.push = p.Proto == protoTCP && head[p.L4+tcpFlags]&flagPSH != 0
	return true
}

// continues reports whether TCP's or UDP's header of head, which is of the flow,
// may follow f, whose first frame is first.
func (f *flow) continues(p *Packet, first, head []byte) bool {
	if p.Proto == protoUDP {
		return wholeDatagram(p, head)
	}
	a, b := first[p.L4:p.HdrLen], head[p.L4:p.HdrLen]
	return binary.BigEndian.Uint32(b[tcpSeq:]) == f.seq &&
		bytes.Equal(a[tcpAck:tcpFlags], b[tcpAck:tcpFlags]) &&
		b[tcpFlags]&^flagPSH == flagACK &&
		bytes.Equal(a[tcpWindow:tcpCsum], b[tcpWindow:tcpCsum]) &&
		bytes.Equal(a[tcpUrgent:], b[tcpUrgent:])
}

// full reports whether nothing may follow the payload of size bytes that was
// added last.
func (f *flow) full(size int) bool {
	return size < f.size || f.push || f.p.Proto == protoUDP && 1+len(f.buf.Frags) == maxDatagrams
}

// sameIP compares IP headers but for lengths, checksums and a permissible id.
func (f *flow) sameIP(a, b []byte) bool {
	if f.p.IPv6 {
		return bytes.Equal(a[:ipv6Payload], b[:ipv6Payload]) && bytes.Equal(a[ipv6Next:], b[ipv6Next:])
	}
	const dontFragment = 0x40
	return bytes.Equal(a[:ipv4Total], b[:ipv4Total]) &&
		bytes.Equal(a[ipv4Frag:ipv4Csum], b[ipv4Frag:ipv4Csum]) &&
		bytes.Equal(a[ipv4Src:], b[ipv4Src:]) &&
		(binary.BigEndian.Uint16(b[ipv4ID:]) == f.id || b[ipv4Frag]&dontFragment != 0)
}

// intact verifies the IPv4 header checksum and that of TCP or UDP. A segment whose
// checksum its sender left undone (see [Adopt]) is known without a pass over
// the payload; a finished one that looks like it by chance is not merged.
func intact(p *Packet, head []byte) bool {
	if !p.IPv6 && Fold(Sum(head[p.L3:p.L4], 0)) != 0xffff {
		return false
	}
	pseudo := p.pseudoSum(head, p.End-p.L4)
	if binary.BigEndian.Uint16(head[p.L4+p.csumOffset():]) == Fold(pseudo) {
		return false
	}
	return Fold(Sum(head[p.L4:p.End], pseudo)) == 0xffff
}

// finish makes the frame a superframe if anything was merged into it.
func (f *flow) finish() {
	if !f.merged {
		return
	}
	p, head := &f.p, f.buf.Head()
	p.putLength(head, f.end-p.L3)
	if !p.IPv6 {
		binary.BigEndian.PutUint16(head[p.L3+ipv4Csum:], 0)
		binary.BigEndian.PutUint16(head[p.L3+ipv4Csum:], ^Fold(Sum(head[p.L3:p.L4], 0)))
	}
	if f.push {
		head[p.L4+tcpFlags] |= flagPSH
	}
	if p.Proto == protoUDP {
		binary.BigEndian.PutUint16(head[p.L4+udpLenOff:], uint16(f.end-p.L4))
	}
	binary.BigEndian.PutUint16(head[p.L4+p.csumOffset():], Fold(p.pseudoSum(head, f.end-p.L4)))
	f.buf.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: uint16(p.L4), CsumOffset: uint16(p.csumOffset()),
		GSO: p.gso(), HdrLen: uint16(p.HdrLen), GSOSize: uint16(f.size),
	}
}
