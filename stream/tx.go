package stream

import (
	"encoding/binary"
	"errors"
	"syscall"

	"weft/frame"
	"weft/frame/offload"
)

// tx writes frames to a connection, many with one system call.
type tx struct {
	conn *Conn
	seg  *offload.Segmenter
	vec  vector // the bytes of queue
	// queue is what the next write sends, and ends where in its bytes each
	// frame ends.
	queue []*frame.Buf
	ends  []int

	tally *frame.Tally
	bind  func(fd uintptr) // t.write, bound once so that a write allocates nothing
}

// WriteBatch writes bufs; vswitch.Tx has the contract. What the socket's buffer
// has no room for is dropped as queue_full, but for the rest of a frame that it
// took in part, which counts as sent and is completed before anything else.
func (t *tx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	t.tally = tally
	finish(bufs, t.seg, tally, t)
	t.tally = nil
}

// push queues a finished frame. Its length goes into its headroom.
func (t *tx) push(b *frame.Buf) {
	n := b.Len()
	if n > maxFrame {
		t.tally.Drop(frame.DropTooBig, b)
		return
	}
	if !t.vec.room(1 + len(b.Frags)) {
		t.flush()
	}
	framed := b.Prepended(lenBytes)
	binary.BigEndian.PutUint32(framed, uint32(n))
	t.vec.push(framed)
	for _, f := range b.Frags {
		t.vec.push(f)
	}
	end := lenBytes + n
	if len(t.ends) > 0 {
		end += t.ends[len(t.ends)-1]
	}
	t.queue, t.ends = append(t.queue, b), append(t.ends, end)
}

// flush writes the queue and empties it.
func (t *tx) flush() {
	if len(t.queue) == 0 {
		return
	}
	if t.bind == nil {
		t.bind = t.write
	}
	// Control, unlike Write, does not wait for another that writes.
	if t.conn.raw.Control(t.bind) != nil {
		t.drop(0, frame.DropPortDown)
	}
	clear(t.queue)
	t.queue, t.ends = t.queue[:0], t.ends[:0]
	t.vec.reset()
}

func (t *tx) write(fd uintptr) {
	c := t.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writeRest(fd) {
		t.drop(0, frame.DropQueueFull)
		return
	}
	n, err := t.vec.write(fd)
	sent := 0
	for sent < len(t.queue) && t.ends[sent] <= n {
		t.tally.Sent(t.queue[sent])
		sent++
	}
	if sent == len(t.queue) {
		return
	}
	begin := 0
	if sent > 0 {
		begin = t.ends[sent-1]
	}
	if n > begin {
		t.tally.Sent(t.queue[sent])
		c.keep(t.queue[sent], n-begin)
		sent++
	}
	reason := frame.DropQueueFull
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		reason = frame.DropPortDown
	}
	t.drop(sent, reason)
}

// drop counts the frames of the queue from the i-th on.
func (t *tx) drop(i int, r frame.DropReason) {
	for _, b := range t.queue[i:] {
		t.tally.Drop(r, b)
	}
}

// sink takes finished frames, which stay as they are until it is flushed.
type sink interface {
	push(b *frame.Buf)
	flush()
}

// finish hands bufs to the sink in order, superframes in segments and checksums
// complete.
func finish(bufs []*frame.Buf, seg *offload.Segmenter, tally *frame.Tally, to sink) {
	for _, b := range bufs {
		if b.Offload.GSO == frame.GSONone {
			offload.FinishChecksum(b)
			to.push(b)
			continue
		}
		segs, err := seg.Segment(b)
		if err != nil {
			tally.Drop(frame.DropMalformed, b)
			continue
		}
		for i := range segs {
			to.push(&segs[i])
		}
		to.flush() // the next superframe takes the segmenter's memory
	}
	to.flush()
}
