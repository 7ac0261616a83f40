package impair

import (
	"sync/atomic"

	"weft/frame"
)

// Rx is a receive queue; vswitch.Rx has its contract.
type Rx interface {
	ReadBatch(b *frame.Batch) error
}

// Inbound is a receive queue behind a link: what the queue gives comes out
// under the link's conditions. While they are perfect it is the queue itself
// and one load for a batch.
//
// Who reads the queue changes hands. On a perfect link that is the reader of
// the Inbound; otherwise a goroutine, the pump, because a reader that waits
// for the queue could not give what arrives meanwhile. Neither can be woken
// from its waiting by a change, so that both look what is wanted when they
// have a batch.
type Inbound struct {
	rx       Rx
	counters frame.Counters

	// active: the line may be wanted, or hold frames, or the pump reads.
	// Written under line.mu; a reader may be one batch late.
	active atomic.Bool

	line    line
	pumping bool    // guarded by line.mu
	err     error   // of the queue, guarded by line.mu
	given   []*held // what the last ReadBatch lent, the reader's

	newWaker func() (waker, error)
}

// NewInbound puts a perfect link before a queue.
func NewInbound(rx Rx) *Inbound { return &Inbound{rx: rx, newWaker: newWaker} }

// Rx is the queue.
func (i *Inbound) Rx() Rx { return i.rx }

// Perfect reports that the queue may be read in place of the Inbound. A batch
// that is read while that changes passes as before.
func (i *Inbound) Perfect() bool { return !i.active.Load() }

// Set changes the conditions. Frames on their way stay on it.
func (i *Inbound) Set(s Spec) error {
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	if s.IsZero() && i.line.wake == nil {
		return nil
	}
	if err := i.line.start(i.newWaker); err != nil {
		return err
	}
	i.line.change(s, clock())
	i.active.Store(true)
	return nil
}

// SetDown cuts the link, which loses what is on its way, or joins it.
func (i *Inbound) SetDown(down bool) error {
	var t frame.Tally
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	if !down && i.line.wake == nil {
		return nil
	}
	if err := i.line.start(i.newWaker); err != nil {
		return err
	}
	i.line.setDown(down, &t)
	i.counters.AddRx(&t)
	i.active.Store(true)
	return nil
}

// Close frees what Set has made. It is called when the last ReadBatch has
// failed, which is what ends the pump.
func (i *Inbound) Close() {
	var t frame.Tally
	i.line.mu.Lock()
	defer i.line.mu.Unlock()
	i.line.close(&t)
	i.counters.AddRx(&t)
}

// Stats counts what was lost on the way. What arrived counts who reads.
func (i *Inbound) Stats() frame.Stats { return i.counters.Load() }

// ReadBatch gives what has arrived; vswitch.Rx has the contract.
func (i *Inbound) ReadBatch(b *frame.Batch) error {
	if !i.active.Load() {
		err := i.rx.ReadBatch(b)
		if err != nil || !i.active.Load() {
			return err
		}
		i.send(b) // the conditions came while it was waited for
	}
	return i.arrived(b)
}

// send puts a batch of the queue's on the line.
func (i *Inbound) send(b *frame.Batch) {
	l := &i.line
	var t frame.Tally
	now := clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	bufs := b.Bufs()
	for n := range bufs {
		l.admit(&bufs[n], now, &t)
	}
	l.rearm(now)
	i.counters.AddRx(&t)
}

// arrived waits until something has arrived and gives it.
func (i *Inbound) arrived(b *frame.Batch) error {
	for _, h := range i.given {
		h.release()
	}
	clear(i.given)
	i.given = i.given[:0]
	b.Reset()
	l := &i.line
	for {
		now := clock()
		l.mu.Lock()
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
		err := i.err
		idle := b.Len() == 0 && len(l.queue) == 0 && !l.wanted() && !i.pumping
		switch {
		case b.Len() > 0 || err != nil:
		case idle:
			i.active.Store(false)
		default:
			if !i.pumping {
				i.pumping = true
				go i.pump()
			}
			l.rearm(now)
		}
		l.mu.Unlock()
		switch {
		case b.Len() > 0:
			return nil
		case err != nil:
			return err
		case idle:
			return i.ReadBatch(b)
		}
		if err := l.sleep(); err != nil {
			return err
		}
	}
}

// pump reads the queue until the line is not wanted any more, which it can
// tell only when it has read another batch.
func (i *Inbound) pump() {
	b := new(frame.Batch)
	l := &i.line
	for {
		err := i.rx.ReadBatch(b)
		if err == nil {
			i.send(b)
		}
		l.mu.Lock()
		ends := err != nil || !l.wanted()
		if ends {
			i.pumping, i.err = false, err
			l.nudge()
		}
		l.mu.Unlock()
		if ends {
			return
		}
	}
}
