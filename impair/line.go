package impair

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"weft/frame"
	"weft/frame/offload"
)

const (
	// grid is the distance of the moments at which frames arrive: a due time
	// is rounded up to the next. Waking for each of 50 thousand frames a
	// second would cost more than carrying them, and because every line of
	// the process has the same grid, a hundred of them wake together.
	grid = 100 * time.Microsecond

	// maxHeld bounds the memory of one direction in bytes: 100 ms of 20 Gb/s in
	// superframes, or 130 thousand ordinary frames.
	maxHeld = 256 << 20

	// never is the due time of nothing.
	never = math.MaxInt64
)

// epoch is where the clock of all lines begins.
var epoch = time.Now()

// clock is the time of now in nanoseconds. It is monotonic.
func clock() int64 { return int64(time.Since(epoch)) }

// line is one direction of a link: what has been sent and has not arrived.
type line struct {
	mu   sync.Mutex // guards what follows
	spec Spec
	down bool
	dice dice

	queue   queue
	seq     uint64
	bytes   int                // held
	free    int64              // when the rate has passed what it was given
	part    int64              // of a nanosecond that free is short, in 1/rate
	waiting times              // when the frames that wait for the rate have passed it
	seg     *offload.Segmenter // made when first needed

	timer  Timer // nil while nobody takes what arrives
	armed  int64 // what timer is set to
	closed bool
}

// wanted reports whether frames need the line at all.
func (l *line) wanted() bool { return l.down || !l.spec.IsZero() }

// whole reports whether a superframe may pass in one piece: all that happens
// to its segments is the same delay.
func (l *line) whole() bool {
	s := &l.spec
	return s.Jitter == 0 && s.Loss == 0 && s.Rate == 0 && s.Duplicate == 0 && s.Reorder == 0 && s.Corrupt == 0
}

// admit takes a frame that is sent now, and counts what of it is lost. b is
// borrowed until it returns.
func (l *line) admit(b *frame.Buf, now int64, t *frame.Tally) {
	switch {
	case l.down:
		t.Drop(frame.DropLinkDown, b)
		return
	case l.closed:
		t.Drop(frame.DropPortDown, b)
		return
	case b.Offload.GSO == frame.GSONone || l.whole():
		l.carry(b, now, t)
		return
	}
	if l.seg == nil {
		l.seg = offload.NewSegmenter()
	}
	segments, err := l.seg.Segment(b)
	if err != nil {
		t.Drop(frame.DropMalformed, b)
		return
	}
	for i := range segments {
		l.carry(&segments[i], now, t)
	}
}

// carry throws the dice for one frame.
func (l *line) carry(b *frame.Buf, now int64, t *frame.Tally) {
	lost, copies := l.dice.loss.lost(), 1
	if l.dice.duplicate.heads() {
		copies = 2
	}
	corrupt := l.dice.corrupt.heads()
	if lost {
		t.Drop(frame.DropLinkLoss, b)
		return
	}
	for range copies {
		l.send(b, now, corrupt, t)
	}
}

// send queues one frame for the rate and then the delay.
func (l *line) send(b *frame.Buf, now int64, corrupt bool, t *frame.Tally) {
	delay := int64(l.spec.Delay) + l.dice.jitter.next()
	if l.dice.reorder.heads() {
		delay = 0
	}
	n := b.Len()
	if l.bytes >= maxHeld {
		t.Drop(frame.DropLinkQueueFull, b)
		return
	}
	out := now
	if l.spec.Rate != 0 {
		limit := l.spec.Limit
		if limit == 0 {
			limit = DefaultLimit
		}
		// The frame that is being sent is no longer waiting.
		if l.waiting.forget(now) > limit {
			t.Drop(frame.DropLinkQueueFull, b)
			return
		}
		out = l.transmit(n, now)
	}
	h := hold(b)
	if corrupt {
		l.corrupt(&h.buf)
	}
	l.bytes += len(h.mem)
	l.seq++
	l.queue.push(item{due: out + max(delay, 0), out: out, seq: l.seq, h: h})
}

// transmit gives when a frame of n bytes has passed the rate, behind all that
// came before it.
func (l *line) transmit(n int, now int64) int64 {
	if l.free < now {
		l.free, l.part = now, 0
	}
	const nanoseconds = int64(time.Second)
	rate := int64(l.spec.Rate)
	work := int64(n)*8*nanoseconds + l.part // 64 KiB are 5e14
	l.free += work / rate
	l.part = work % rate
	l.waiting.push(l.free)
	return l.free
}

// corrupt inverts a bit behind the Ethernet header: a real link's check
// sequence would have the whole frame dropped, and in the header it would
// teach the switch addresses that nobody has.
func (l *line) corrupt(b *frame.Buf) {
	// What the sender leaves to hardware is done before the wire.
	offload.FinishChecksum(b)
	head := b.Head()
	if len(head) <= frame.EthernetLen {
		return
	}
	bit := l.dice.bit.IntN(8 * (len(head) - frame.EthernetLen))
	head[frame.EthernetLen+bit/8] ^= 1 << (bit % 8)
}

// due takes the next frame that has arrived by now, nil when there is none.
func (l *line) due(now int64) *held {
	if len(l.queue) == 0 || l.queue[0].due > now {
		return nil
	}
	h := l.queue.pop().h
	l.bytes -= len(h.mem)
	return h
}

// rearm sets the timer to when the next frame arrives.
func (l *line) rearm(now int64) {
	if len(l.queue) == 0 {
		return
	}
	at := now
	if due := l.queue[0].due; due > now {
		at = (due + int64(grid) - 1) / int64(grid) * int64(grid)
	}
	l.set(at)
}

// nudge has the timer's function look at once.
func (l *line) nudge(now int64) { l.set(now) }

func (l *line) set(at int64) {
	if l.timer == nil || l.closed || l.armed <= at {
		return
	}
	l.armed = at
	l.timer.Set(epoch.Add(time.Duration(at)))
}

// stop ends the calls of the timer's function, also one that is under way.
// Callers do not hold mu.
func (l *line) stop() {
	l.mu.Lock()
	t := l.timer
	l.timer = nil
	l.mu.Unlock()
	if t != nil {
		t.Stop()
	}
}

// change puts the line under other conditions. What has passed the rate keeps
// its arrival, or arrives as soon as the new delay has it; what waits for the
// rate is sent at the new one.
func (l *line) change(s Spec, now int64) {
	l.spec, l.dice = s, newDice(s)
	slices.SortFunc(l.queue, func(a, b item) int { return cmp.Compare(a.seq, b.seq) })
	l.free, l.part = now, 0
	l.waiting.reset()
	for i := range l.queue {
		it := &l.queue[i]
		if it.out <= now {
			it.due = min(it.due, it.out+int64(s.Delay+s.Jitter))
			continue
		}
		it.out = now
		if s.Rate != 0 {
			it.out = l.transmit(it.h.buf.Len(), now)
		}
		it.due = it.out + int64(s.Delay)
	}
	for i := len(l.queue)/2 - 1; i >= 0; i-- {
		l.queue.down(i)
	}
	l.nudge(now)
}

// drop loses all that is on its way.
func (l *line) drop(r frame.DropReason, t *frame.Tally) {
	for _, it := range l.queue {
		t.Drop(r, &it.h.buf)
		it.h.release()
	}
	clear(l.queue)
	l.queue, l.bytes = l.queue[:0], 0
	l.free, l.part = 0, 0
	l.waiting.reset()
}

// setDown cuts the line or joins it again.
func (l *line) setDown(down bool, t *frame.Tally) {
	if down && !l.down {
		l.drop(frame.DropLinkDown, t)
	}
	l.down = down
	l.nudge(clock())
}

// close loses what is on its way and what is still sent.
func (l *line) close(t *frame.Tally) {
	if !l.closed {
		l.closed = true
		l.drop(frame.DropPortDown, t)
	}
}
