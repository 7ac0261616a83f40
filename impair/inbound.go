package impair

import (
	"sync/atomic"

	"weft/frame"
)

// Rx is a receive queue; vswitch.Rx has its contract.
type Rx interface {
	ReadBatch(b *frame.Batch) error
}

// Inbound is the link before a receive queue. Who reads the queue hands every
// batch to Send; what is on its way then comes out by PollBatch, when the timer
// says so. While conditions are perfect a batch stays with its reader, for one
// load.
type Inbound struct {
	rx       Rx
	counters frame.Counters

	// active: the line is wanted, or holds frames, or gave some that may not
	// have been dealt with. Written under line.mu; a reader may be one batch
	// late.
	active atomic.Bool

	line  line
	given []*held // what the last PollBatch lent, its caller's
}

// NewInbound puts a perfect link before a queue.
func NewInbound(rx Rx) *Inbound { return &Inbound{rx: rx, line: line{armed: never}} }

// Rx is the queue.
func (i *Inbound) Rx() Rx { return i.rx }

// Start gives the timer whose function calls PollBatch. Without one everything
// that is sent stays on its way.
func (i *Inbound) Start(t Timer) {
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	i.line.timer = t
	i.line.nudge(clock())
}

// Stop ends the calls of PollBatch, also one that is under way.
func (i *Inbound) Stop() { i.line.stop() }

// Set changes the conditions. Frames on their way stay on it.
func (i *Inbound) Set(s Spec) {
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	if s.IsZero() && !i.active.Load() {
		return
	}
	i.line.change(s, clock())
	i.active.Store(true)
}

// SetDown cuts the link, which loses what is on its way, or joins it.
func (i *Inbound) SetDown(down bool) {
	var t frame.Tally
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	if !down && !i.active.Load() {
		return
	}
	i.line.setDown(down, &t)
	i.counters.AddRx(&t)
	i.active.Store(true)
}

// Close loses what is on its way and what is still sent, as port_down.
func (i *Inbound) Close() {
	i.Stop()
	var t frame.Tally
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	i.line.close(&t)
	i.counters.AddRx(&t)
}

// Stats counts what was lost on the way. What arrived counts who reads.
func (i *Inbound) Stats() frame.Stats { return i.counters.Load() }

// Send puts a batch of the queue's on its way and empties it. It does nothing
// while the link is perfect.
func (i *Inbound) Send(b *frame.Batch) {
	if !i.active.Load() || b.Len() == 0 {
		return
	}
	l := &i.line
	var t frame.Tally
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock()
	bufs := b.Bufs()
	for n := range bufs {
		l.admit(&bufs[n], now, &t)
	}
	b.Reset()
	l.rearm(now)
	i.counters.AddRx(&t)
}

// PollBatch gives what has arrived, at most a batch, valid until the next call;
// vswitch.Polled has the contract. The timer comes again while there is more.
func (i *Inbound) PollBatch(b *frame.Batch) (more bool, err error) {
	for _, h := range i.given {
		h.release()
	}
	clear(i.given)
	i.given = i.given[:0]
	b.Reset()
	l := &i.line
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock()
	for !b.Full() {
		h := l.due(now)
		if h == nil {
			break
		}
		i.given = append(i.given, h)
		buf := b.Next()
		buf.Set(h.mem[:frame.Headroom+h.buf.Len()], frame.Headroom)
		buf.Offload = h.buf.Offload
	}
	l.armed = never
	switch {
	case len(l.queue) > 0:
		l.rearm(now)
	case l.wanted():
	case b.Len() > 0:
		// The queue's next batch must not overtake this one.
		l.nudge(now)
	default:
		i.active.Store(false)
	}
	return false, nil
}
