package tunnel

import (
	"errors"
	"net"
	"net/netip"

	"weft/frame"
	"weft/frame/offload"
)

// datagram is what one receive gave: a VXLAN packet, or a train of them that
// the kernel put together.
type datagram struct {
	mem       []byte
	n         int // bytes of mem in use
	seg       int // length of each packet of a train, 0 where the kernel says nothing
	from      netip.Addr
	tos       uint8
	truncated bool
}

// Rx is the VTEP's receive queue.
type Rx struct {
	vtep *VTEP
	recv receiver
	co   offload.Coalescer

	datagrams []datagram // of the last receive
	next      int        // the first that is not in a batch yet
	count     int
	rest      []byte // of the datagram before next: packets not in a batch yet
	restSeg   int

	// The hop of the datagram before next, looked up once a datagram.
	hop  *Hop
	tos  uint8
	hint int
}

func newRx(v *VTEP) *Rx {
	r := &Rx{vtep: v, datagrams: make([]datagram, recvBatch)}
	mem := make([][]byte, recvBatch)
	for i := range mem {
		mem[i] = make([]byte, datagramLen)
		r.datagrams[i].mem = mem[i]
	}
	r.recv.init(v, mem)
	return r
}

// ReadBatch waits until there are frames and fills b with them; vswitch.Rx has
// its contract.
func (r *Rx) ReadBatch(b *frame.Batch) error {
	for {
		if _, err := r.PollBatch(b); b.Len() > 0 || err != nil {
			return err
		}
		if r.pending() {
			continue
		}
		if err := r.recv.sleep(); err != nil {
			return err
		}
	}
}

// PollBatch fills b with decapsulated frames; vswitch.Polled has its contract.
// What belongs together comes as one superframe, see [offload.Coalescer].
func (r *Rx) PollBatch(b *frame.Batch) (more bool, err error) {
	b.Reset()
	if !r.pending() {
		if err := r.receive(); err != nil {
			return false, err
		}
	}
	r.co.Begin(b)
	r.fill(b)
	r.co.Finish()
	return r.pending(), nil
}

// pending reports whether there are packets that no batch has taken yet.
func (r *Rx) pending() bool { return len(r.rest) > 0 || r.next < r.count }

// fill takes what was received into b, as far as there is room.
func (r *Rx) fill(b *frame.Batch) {
	for !b.Full() && r.nextPacket() {
		r.decapsulate()
	}
}

// receive takes the datagrams that there are. An error that the socket reports of its past,
// such as an ICMP message or a link that went down, is not the end of it.
func (r *Rx) receive() error {
	n, lost, err := r.recv.receive(r.datagrams)
	if lost > 0 {
		r.vtep.counters.Drop(frame.DropQueueFull, uint64(lost))
	}
	r.next, r.count = 0, n
	if err != nil && errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// nextPacket makes sure that rest begins with a packet of a known hop.
func (r *Rx) nextPacket() bool {
	for len(r.rest) == 0 {
		if r.next == r.count {
			return false
		}
		r.open(&r.datagrams[r.next])
		r.next++
	}
	return true
}

// open looks at a datagram as a whole: who sent it, and whether it is a train.
func (r *Rx) open(d *datagram) {
	mem := d.mem[:d.n]
	seg := len(mem)
	r.hint = 0
	if d.seg > 0 && d.seg < len(mem) {
		// A kernel VXLAN device on the same machine hands over an inner
		// superframe as one datagram, with the inner segment size in the
		// control message. In a train every packet fits its segment.
		if innerLen(mem) > d.seg {
			r.hint = d.seg
		} else {
			seg = d.seg
		}
	}
	packets := uint64(1) // an empty datagram is one, too
	if seg > 0 {
		packets = uint64((len(mem) + seg - 1) / seg)
	}
	switch hop := (*r.vtep.hops.Load())[d.from]; {
	case hop == nil:
		r.vtep.counters.Drop(frame.DropUnknownVTEP, packets)
	case d.truncated:
		hop.counters.Drop(frame.DropMalformed, packets)
	case len(mem) == 0:
		hop.counters.Drop(frame.DropBadVXLANHeader, 1)
	default:
		r.hop, r.tos, r.rest, r.restSeg = hop, d.tos, mem, seg
	}
}

// innerLen is the length of the VXLAN packet at the start of mem by its inner
// IP header, 0 where it carries neither TCP nor UDP: the kernel puts nothing
// else together.
func innerLen(mem []byte) int {
	if len(mem) < HeaderLen {
		return 0
	}
	p, ok := offload.Parse(mem[HeaderLen:])
	if !ok {
		return 0
	}
	return HeaderLen + p.End
}

// decapsulate takes the packet at the start of rest into the batch, or drops it.
func (r *Rx) decapsulate() {
	n := min(r.restSeg, len(r.rest))
	mem := r.rest[:n:n]
	r.rest = r.rest[n:]

	if len(mem) < HeaderLen+frame.EthernetLen || !Header(mem).Valid() {
		r.hop.counters.Drop(frame.DropBadVXLANHeader, 1)
		return
	}
	h := Header(mem)
	if r.vtep.config.Strict && h.Reserved() {
		r.hop.counters.Drop(frame.DropReservedBits, 1)
		return
	}
	inner := mem[HeaderLen:]
	if !decapsulateECN(inner, r.tos) {
		r.hop.counters.Drop(frame.DropECNNotCapable, 1)
		return
	}
	if buf := r.co.Add(mem, HeaderLen, h.VNI(), r.hop.id); buf != nil {
		maxFrame := int(r.vtep.mtu.Load()) + frame.Ethernet(inner).HeaderLen()
		offload.Adopt(buf, r.hint, maxFrame)
	}
}
