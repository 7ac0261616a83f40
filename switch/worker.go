package vswitch

import (
	"sync/atomic"

	"weft/fib"
	"weft/frame"
)

// Words of this file: a batch is what one read gave. A pass goes over the whole
// batch before the next begins, so that its code and its table stay in the
// cache. A note is what the passes know of one frame. A slot is what a worker
// keeps for one egress.

// note is what the passes know of one frame of the batch. A frame that was
// dropped has no domain any more.
type note struct {
	domain *domain
	in     *attachment
	out    *attachment // nil: flood
	vlan   frame.VLAN  // the frame's VLAN, wherever it comes from
	tagged bool        // its bytes carry a tag
	whole  bool        // its headers are too long to be retagged, and that is counted
}

// room is the largest payload, in bytes, that the frame may have to leave by
// out. In a tunnel a tag takes the place of payload: there the underlay bounds
// the whole frame, while Ethernet allows for the tag (IEEE 802.3-2018 section
// 3.2.7).
func (n *note) room(out *attachment) int {
	tagged := n.tagged
	if n.vlan != frame.Untagged {
		tagged = out.vlans.tags(n.vlan)
	}
	if out.remote && tagged {
		return out.mtu - frame.TagLen
	}
	return out.mtu
}

// slot is what a worker keeps for one port: the transmit handle, the frames of
// this batch that leave by it, and the counts that are not yet added.
type slot struct {
	port    Port // whose handle tx is
	tx      Tx
	out     []*frame.Buf
	rx      frame.Tally
	sent    frame.Tally
	touched bool
}

// worker switches the frames of one receive queue.
type worker struct {
	sw    *Switch
	inUse atomic.Pointer[snapshot] // what this batch works with, nil between batches

	now     fib.Tick
	notes   [frame.BatchSize]note
	slots   []slot // by PortID
	touched []frame.PortID
	retags  []retagged // two for each frame of a batch, made when first needed
	tooBig  tooBigLimiter
}

// Worker switches the frames of the queues that one thread serves. Not safe for
// concurrent use; a switch may have any number of them.
type Worker struct {
	w     worker
	batch frame.Batch
}

// NewWorker gives a worker; it must be closed.
func (s *Switch) NewWorker() *Worker {
	w := &Worker{w: worker{sw: s}}
	s.addWorker(&w.w)
	return w
}

// Close removes the worker from the switch.
func (w *Worker) Close() { w.w.sw.removeWorker(&w.w) }

// Poll switches what rx has at present. Frames come from the port with the id,
// or, when that is NoPort, from the remote VTEP that each frame names. It gives
// what rx gave.
func (w *Worker) Poll(rx Polled, id frame.PortID) (more bool, err error) {
	more, err = rx.PollBatch(&w.batch)
	if w.batch.Len() > 0 {
		w.w.forward(&w.batch, id)
	}
	return more, err
}

// Read waits for what rx gives next and switches it as Poll does.
func (w *Worker) Read(rx Rx, id frame.PortID) error {
	err := rx.ReadBatch(&w.batch)
	if err == nil {
		w.w.forward(&w.batch, id)
	}
	return err
}

// Serve reads rx until it fails; the error is the Rx's.
func (s *Switch) Serve(rx Rx, id frame.PortID) error {
	w := s.NewWorker()
	defer w.Close()
	for {
		if err := w.Read(rx, id); err != nil {
			return err
		}
	}
}

// forward takes one batch through the passes.
func (w *worker) forward(batch *frame.Batch, id frame.PortID) {
	bufs := batch.Bufs()
	snap := w.enter()
	w.receive(snap, bufs, id)
	w.learn(bufs)
	w.classify(snap, bufs)
	w.emit(bufs)
	w.flush(snap)
	w.inUse.Store(nil)
}

// enter takes the current snapshot into use.
func (w *worker) enter() *snapshot {
	snap := w.sw.snap.Load()
	for {
		w.inUse.Store(snap)
		// Whoever publishes a snapshot looks at inUse afterwards. Unless the
		// pointer is still current now, they may have looked too early.
		current := w.sw.snap.Load()
		if current == snap {
			break
		}
		snap = current
	}
	if len(w.slots) < len(snap.ports) {
		w.slots = append(w.slots, make([]slot, len(snap.ports)-len(w.slots))...)
	}
	w.now = w.sw.clock.now()
	return snap
}

// receive finds the network and the VLAN of each frame and drops what no
// bridge may forward.
func (w *worker) receive(snap *snapshot, bufs []frame.Buf, id frame.PortID) {
	for i := range bufs {
		b, n := &bufs[i], &w.notes[i]
		*n = note{}
		if id != frame.NoPort {
			b.Ingress = id
		}
		in := snap.port(b.Ingress)
		// The port may have been detached while the frame was on its way, and
		// its PortID given to a local port, which no tunnel speaks for.
		if in == nil || (id == frame.NoPort && !in.remote) {
			w.sw.orphans.Drop(frame.DropUnknownVTEP, 1)
			continue
		}
		s := w.touch(in.id)
		s.rx.Sent(b)

		if in.down { // what its queue held when it went down
			s.rx.Drop(frame.DropPortDown, b)
			continue
		}
		d := in.domain
		if in.remote {
			if d = snap.byVNI[b.VNI]; d == nil {
				s.rx.Drop(frame.DropUnknownVNI, b)
				continue
			}
			if !in.reaches(b.VNI) {
				s.rx.Drop(frame.DropUnknownVTEP, b)
				continue
			}
		}
		eth := frame.Ethernet(b.Head())
		if !eth.Valid() {
			s.rx.Drop(frame.DropMalformed, b)
			continue
		}
		if src := eth.Src(); src.IsGroup() || src.IsZero() {
			s.rx.Drop(frame.DropSourceIsGroup, b)
			continue
		}
		if eth.Dst().IsReserved() && !d.ForwardReserved {
			s.rx.Drop(frame.DropReservedAddress, b)
			continue
		}
		vlan, ok := in.vlans.admit(eth.VLAN())
		if !ok {
			s.rx.Drop(frame.DropVLANFiltered, b)
			continue
		}
		b.VNI = d.VNI
		n.domain, n.in, n.vlan, n.tagged = d, in, vlan, eth.Tagged()
	}
}

// learn notes where each frame's source is, in networks that learn. Runs of
// frames from one source touch the table once.
func (w *worker) learn(bufs []frame.Buf) {
	var last struct {
		domain *domain
		in     *attachment
		key    fib.Key
		result fib.LearnResult
	}
	for i := range bufs {
		n := &w.notes[i]
		if n.domain == nil || n.domain.NoLearning {
			continue
		}
		key := fib.MakeKey(n.vlan, frame.Ethernet(bufs[i].Head()).Src())
		if last.domain != n.domain || last.key != key || last.in != n.in {
			last.domain, last.key, last.in = n.domain, key, n.in
			last.result = n.domain.fib.Learn(key, n.in.id, w.now)
		}
		switch last.result {
		case fib.StaticViolation:
			w.drop(i, bufs, frame.DropStaticViolation)
		case fib.Full:
			w.drop(i, bufs, frame.DropFDBLimit)
		case fib.Refreshed, fib.Inserted, fib.Moved:
		}
	}
}

// classify finds the egress of each unicast frame; what has none floods.
func (w *worker) classify(snap *snapshot, bufs []frame.Buf) {
	var last struct {
		domain *domain
		key    fib.Key
		out    *attachment
	}
	for i := range bufs {
		n := &w.notes[i]
		if n.domain == nil {
			continue
		}
		dst := frame.Ethernet(bufs[i].Head()).Dst()
		if dst.IsGroup() {
			continue
		}
		key := fib.MakeKey(n.vlan, dst)
		if last.domain != n.domain || last.key != key {
			last.domain, last.key, last.out = n.domain, key, nil
			if id, ok := n.domain.fib.Lookup(key, w.now); ok {
				last.out = snap.port(id)
			}
		}
		n.out = last.out
		switch {
		case n.out == nil:
		case n.out == n.in:
			w.drop(i, bufs, frame.DropSamePort)
		case n.out.remote && n.in.remote:
			w.drop(i, bufs, frame.DropSplitHorizon)
		case !n.out.vlans.carries(n.vlan):
			w.drop(i, bufs, frame.DropVLANFiltered)
		case n.out.down:
			w.touch(n.out.id).sent.Drop(frame.DropPortDown, &bufs[i])
			n.domain = nil
		}
	}
}

// emit queues each frame at its egress, or at all of them.
func (w *worker) emit(bufs []frame.Buf) {
	for i := range bufs {
		n := &w.notes[i]
		if n.domain == nil {
			continue
		}
		if n.out != nil {
			if !w.queue(i, &bufs[i], n.out) {
				w.refuse(i, &bufs[i], n.out)
			}
			continue
		}
		someone := false
		var refused *attachment
		for _, out := range n.domain.flood {
			if out == n.in || (out.remote && n.in.remote) || !out.vlans.carries(n.vlan) {
				continue
			}
			someone = true
			if !w.queue(i, &bufs[i], out) && (refused == nil || n.room(out) < n.room(refused)) {
				refused = out
			}
		}
		if !someone {
			w.drop(i, bufs, frame.DropNoDestination)
		} else if refused != nil {
			w.refuse(i, &bufs[i], refused)
		}
	}
}

// queue appends the frame to what leaves by out, tagged as out wants it. It
// reports false when the frame is larger than out takes.
func (w *worker) queue(i int, b *frame.Buf, out *attachment) bool {
	n := &w.notes[i]
	l2, room := frame.Ethernet(b.Head()).HeaderLen(), n.room(out)
	if b.MaxWireLen()-l2 > room {
		if !b.Offload.Guessed || int(b.Offload.HdrLen) >= room+l2 {
			return false
		}
		b.Offload.GSOSize = uint16(room + l2 - int(b.Offload.HdrLen))
	}
	s := w.touch(out.id)
	if n.vlan != frame.Untagged {
		if tag := out.vlans.tags(n.vlan); tag != n.tagged || (tag && frame.Ethernet(b.Head()).VLAN() != n.vlan) {
			copied := w.retag(i, b, tag)
			if copied == nil {
				if !n.whole {
					n.whole = true
					w.touch(n.in.id).rx.Drop(frame.DropMalformed, b)
				}
				return true
			}
			b = copied
		}
	}
	if s.port != out.port {
		s.port, s.tx = out.port, out.port.NewTx()
	}
	s.out = append(s.out, b)
	return true
}

// retag gives the i-th frame of the batch with or without a tag. Ports that
// want the same share one copy.
func (w *worker) retag(i int, b *frame.Buf, tag bool) *frame.Buf {
	if w.retags == nil {
		w.retags = make([]retagged, 2*frame.BatchSize)
	}
	r := &w.retags[2*i]
	if tag {
		r = &w.retags[2*i+1]
	}
	if !r.ok {
		if !r.make(b, w.notes[i].vlan, tag) {
			return nil
		}
		r.ok = true
	}
	// A port that was asked since may have had the segments made smaller.
	r.buf.Offload.GSOSize = b.Offload.GSOSize
	return &r.buf
}

// flush hands each port its frames and adds up the counts.
func (w *worker) flush(snap *snapshot) {
	w.answerTooBig(snap)
	// Writing may complete a checksum in place, so nothing may read the
	// batch's frames from here on but the ports themselves.
	for _, id := range w.touched {
		s := &w.slots[id]
		if len(s.out) > 0 {
			s.tx.WriteBatch(s.out, &s.sent)
			clear(s.out)
			s.out = s.out[:0]
		}
		if a := snap.port(id); a != nil {
			a.counters.AddRx(&s.rx)
			a.counters.AddTx(&s.sent)
		}
		s.touched = false
	}
	w.touched = w.touched[:0]
	if w.retags != nil {
		for i := range w.retags {
			w.retags[i].ok = false
		}
	}
}

// touch gives the slot of a port and notes that this batch uses it.
func (w *worker) touch(id frame.PortID) *slot {
	s := &w.slots[id]
	if !s.touched {
		s.touched = true
		w.touched = append(w.touched, id)
	}
	return s
}

// drop takes the i-th frame out of the batch and counts it where it came from.
func (w *worker) drop(i int, bufs []frame.Buf, r frame.DropReason) {
	n := &w.notes[i]
	w.touch(n.in.id).rx.Drop(r, &bufs[i])
	n.domain = nil
}

// refuse counts a frame that is too big for an egress, once however many
// refused it, where it came from, and has its sender told.
func (w *worker) refuse(i int, b *frame.Buf, out *attachment) {
	n := &w.notes[i]
	w.touch(n.in.id).rx.Drop(frame.DropTooBig, b)
	w.tooBig.add(w.now, b, n.in, n.room(out))
}
