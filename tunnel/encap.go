package tunnel

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"weft/frame"
	"weft/frame/offload"
)

// Words of this file: a datagram is one VXLAN packet of UDP payload. A train is
// datagrams of equal length, the last perhaps shorter, for one peer with one
// source port and one TOS: the kernel takes it in one send and cuts it
// (UDP_SEGMENT). A lane is one sending socket and what is queued for it; all
// frames of an inner flow take the same lane, so that they stay in order.

const (
	// maxTrain is the segments of one send. Kernels before 6.9 take 64.
	maxTrain = 64
	// maxTrainBytes is the largest UDP payload over IPv4: 65535-20-8. The
	// kernel applies it to a whole train.
	maxTrainBytes = 65507
	// maxIPLen is the largest IPv4 packet (RFC 791 section 3.1), in bytes.
	maxIPLen = 65535
	// maxWhole is the largest superframe that an outer packet has room for,
	// over IPv4 and IPv6.
	maxWhole = maxIPLen - (OverheadV6 - frame.EthernetLen)
	// maxCut is the largest one that leaves in a single train: cut into segments
	// of 1448 bytes, each with 58 bytes of headers in front, 61 KB stay within
	// maxTrainBytes.
	maxCut = 61000
	// lanes is the number of source ports: enough for the underlay's ECMP and
	// for a receiver's queues, few enough to keep a file descriptor each.
	lanes = 16
)

// What a send can say; anything else means that the peer is out of reach.
var (
	errTooBig    = errors.New("datagram exceeds the path's MTU")
	errQueueFull = errors.New("socket buffer is full")
	errNoGSO     = errors.New("the device cannot segment")
	errTrain     = errors.New("train was refused, perhaps for one of its datagrams")
)

// train is a send: its bytes in order, and how they are cut.
type train struct {
	parts  [][]byte
	seg    int // length of each datagram but the last
	last   int // length of the last
	count  int // datagrams
	bytes  int
	tos    uint8
	frames uint64 // for the tally: overlay frames and bytes
	length uint64
}

// lane is what is queued for one sending socket. parts backs its trains.
type lane struct {
	parts  [][]byte
	trains []train
	first  int // of parts, of the open train
}

// encapsulator is the scratch memory of one WriteBatch.
type encapsulator struct {
	vtep  *VTEP
	seg   *offload.Segmenter
	lanes [lanes]lane
	used  []uint8 // lanes with something queued, each once
	out   sender
	whole wholeSender
}

func newEncapsulator(v *VTEP) *encapsulator {
	e := &encapsulator{vtep: v, seg: offload.NewSegmenter(), used: make([]uint8, 0, lanes)}
	e.out.init()
	return e
}

// send encapsulates bufs for the hop and sends them: superframes are cut here,
// as late as can be, and small frames of equal size leave as trains too.
func (e *encapsulator) send(h *Hop, bufs []*frame.Buf, t *frame.Tally) {
	for _, b := range bufs {
		l := uint8(offload.FlowHash(b.Head()) % lanes)
		tos := innerTOS(b.Head())
		if b.Offload.GSO == frame.GSONone {
			offload.FinishChecksum(b)
			e.enqueue(l, b, tos)
			continue
		}
		if e.sendWhole(h, l, b, tos, t) {
			continue
		}
		segs, err := e.seg.Segment(b)
		if err != nil {
			t.Drop(frame.DropMalformed, b)
			continue
		}
		for i := range segs {
			e.enqueue(l, &segs[i], tos)
		}
		// The segments' headers stand in scratch memory that the next
		// superframe wants.
		e.flushLane(h, l, t)
	}
	for _, l := range e.used {
		e.flushLane(h, l, t)
	}
	e.used = e.used[:0]
}

// sendWhole sends a superframe by the outlet. It reports false where the hop
// has no such way, or not for this one.
func (e *encapsulator) sendWhole(h *Hop, l uint8, b *frame.Buf, tos uint8, t *frame.Tally) bool {
	w := h.way.Load()
	if w == nil || w.obstacle != "" || e.vtep.whole.off.Load() || !w.carries(h, b) {
		return false
	}
	e.flushLane(h, l, t) // what came before it leaves before it
	from := netip.AddrPortFrom(e.vtep.addr.Addr(), e.vtep.sock.ports[l])
	switch err := e.whole.send(&e.vtep.outlet, w.ifIndex, &outer{from: from, to: h.addr, tos: tos, vni: b.VNI}, b); {
	case err == nil:
		t.Sent(b)
	case errors.Is(err, errQueueFull):
		t.Drop(frame.DropQueueFull, b)
	case errors.Is(err, net.ErrClosed):
		t.Drop(frame.DropPortDown, b)
	default:
		e.vtep.whole.disable("the kernel refused a superframe: " + err.Error())
		return false
	}
	return true
}

// carries reports whether the superframe fits an outer packet, and what it is
// cut to the MTU. With tags before its IP header, and with nothing to cut, it
// takes the way of others.
func (w *way) carries(h *Hop, b *frame.Buf) bool {
	whole, longest := b.Len(), b.MaxWireLen()
	outerIP := Overhead(h.addr.Addr()) - frame.EthernetLen
	if longest == whole || longest+outerIP > w.mtu || whole+outerIP > maxIPLen {
		return false
	}
	eth := frame.Ethernet(b.Head())
	return !eth.Tagged() && (eth.EtherType() == frame.EtherTypeIPv4 || eth.EtherType() == frame.EtherTypeIPv6)
}

// enqueue pushes the VXLAN header and appends the datagram to the lane's open
// train, or begins another.
func (e *encapsulator) enqueue(l uint8, b *frame.Buf, tos uint8) {
	ln := &e.lanes[l]
	head := b.Prepended(HeaderLen)
	Header(head).Put(b.VNI)
	n := HeaderLen + b.Len()

	if len(ln.trains) == 0 && len(ln.parts) == 0 {
		e.use(l)
	}
	open := len(ln.trains) > 0
	if open {
		tr := &ln.trains[len(ln.trains)-1]
		open = tr.joins(n, tos) && !e.vtep.gso.off.Load()
	}
	if !open {
		ln.first = len(ln.parts)
		ln.trains = append(ln.trains, train{seg: n, tos: tos})
	}
	tr := &ln.trains[len(ln.trains)-1]
	ln.parts = append(ln.parts, head)
	ln.parts = append(ln.parts, b.Frags...)
	tr.parts = ln.parts[ln.first:]
	tr.last = n
	tr.count++
	tr.bytes += n
	tr.frames++
	tr.length += uint64(n - HeaderLen)
}

// use notes that the lane has something queued.
func (e *encapsulator) use(l uint8) {
	if !slices.Contains(e.used, l) {
		e.used = append(e.used, l)
	}
}

// joins reports whether a datagram of n bytes may follow in the train.
func (t *train) joins(n int, tos uint8) bool {
	return t.last == t.seg && n <= t.seg && t.tos == tos && t.count < maxTrain && t.bytes+n <= maxTrainBytes
}

// flushLane sends what the lane has queued.
func (e *encapsulator) flushLane(h *Hop, l uint8, t *frame.Tally) {
	ln := &e.lanes[l]
	for todo := ln.trains; len(todo) > 0; {
		sent, err := e.out.send(&e.vtep.sock, int(l), h.addr, todo)
		for i := range todo[:sent] {
			t.Frames += todo[i].frames
			t.Bytes += todo[i].length
		}
		if sent > 0 {
			h.clearErr()
		}
		todo = todo[sent:]
		if err == nil {
			continue
		}
		if len(todo) == 0 {
			break
		}
		todo = todo[e.failed(h, int(l), todo, err, t):]
	}
	clear(ln.parts)
	ln.parts, ln.trains = ln.parts[:0], ln.trains[:0]
}

// failed deals with the first of the trains, which could not be sent, and gives
// how many trains are done with.
func (e *encapsulator) failed(h *Hop, l int, todo []train, err error, t *frame.Tally) int {
	tr := &todo[0]
	switch {
	case errors.Is(err, errNoGSO) && tr.count > 1:
		e.vtep.gso.disable("the underlay refused a train of datagrams (UDP_SEGMENT)")
		e.sendSingly(h, l, tr, t)
	case (errors.Is(err, errTrain) || errors.Is(err, errTooBig)) && tr.count > 1:
		e.sendSingly(h, l, tr, t)
	case errors.Is(err, errTooBig):
		t.DropN(frame.DropTooBig, tr.frames)
	case errors.Is(err, errQueueFull):
		for i := range todo {
			t.DropN(frame.DropQueueFull, todo[i].frames)
		}
		return len(todo)
	case errors.Is(err, net.ErrClosed):
		t.DropN(frame.DropPortDown, tr.frames)
	default:
		h.setErr(err)
		t.DropN(frame.DropPeerUnreachable, tr.frames)
	}
	return 1
}

// sendSingly sends the datagrams of a train one by one.
func (e *encapsulator) sendSingly(h *Hop, l int, tr *train, t *frame.Tally) {
	parts := tr.parts
	single := make([]train, 1)
	for left := tr.count; left > 0; left-- {
		n, k := tr.seg, 0
		if left == 1 {
			n = tr.last
		}
		for got := 0; got < n; k++ {
			got += len(parts[k])
		}
		single[0] = train{
			parts: parts[:k], seg: n, last: n, count: 1, bytes: n, tos: tr.tos,
			frames: 1, length: uint64(n - HeaderLen),
		}
		parts = parts[k:]
		if _, err := e.out.send(&e.vtep.sock, l, h.addr, single); err != nil {
			e.failed(h, l, single, err, t)
			continue
		}
		t.Frames++
		t.Bytes += single[0].length
	}
}
