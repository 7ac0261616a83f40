package impair

import (
	"sync"

	"weft/frame"
)

// Tx is a transmit handle; vswitch.Tx has its contract.
type Tx = interface {
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// Port is where frames leave a switch; vswitch.Port has its contract.
type Port interface {
	NewTx() Tx
}

// Outbound is a port behind a link: what is written to it arrives at the port
// under the link's conditions. Frames count as sent when they arrive, in
// [Outbound.Stats], which the tally of a WriteBatch cannot wait for; that has
// the frames that the link lost.
type Outbound struct {
	line     line
	tx       Tx
	counters frame.Counters
	done     chan struct{}
	emptied  *sync.Cond // on line.mu: nothing is on its way

	newWaker func() (waker, error)
}

// NewOutbound makes the link to a port. Nothing arrives until Start.
func NewOutbound(p Port, s Spec) *Outbound {
	o := &Outbound{tx: p.NewTx(), done: make(chan struct{}), newWaker: newWaker}
	o.emptied = sync.NewCond(&o.line.mu)
	o.line.spec, o.line.dice = s, newDice(s)
	return o
}

// Start has frames arrive. After an error the Outbound is of no use.
func (o *Outbound) Start() error {
	if err := o.line.start(o.newWaker); err != nil {
		return err
	}
	go o.deliver()
	return nil
}

// Close loses what is on its way, as port_down, and all that is still written.
func (o *Outbound) Close() {
	var t frame.Tally
	o.line.mu.Lock()
	o.line.close(&t)
	o.counters.AddTx(&t)
	o.emptied.Broadcast()
	o.line.mu.Unlock()
	<-o.done
}

// Finish is Close that lets everything arrive first, at once. Nobody writes
// any more.
func (o *Outbound) Finish() {
	o.Set(Spec{})
	o.line.mu.Lock()
	for len(o.line.queue) > 0 && !o.line.closed {
		o.emptied.Wait()
	}
	o.line.mu.Unlock()
	o.Close()
}

// Set changes the conditions. Frames on their way stay on it.
func (o *Outbound) Set(s Spec) {
	o.line.mu.Lock()
	defer o.line.mu.Unlock()
	o.line.change(s, clock())
}

// SetDown cuts the link, which loses what is on its way, or joins it.
func (o *Outbound) SetDown(down bool) {
	var t frame.Tally
	o.line.mu.Lock()
	defer o.line.mu.Unlock()
	o.line.setDown(down, &t)
	o.counters.AddTx(&t)
}

// Stats counts what arrived at the port, and what was lost on the way or by
// the port.
func (o *Outbound) Stats() frame.Stats { return o.counters.Load() }

// NewTx gives a transmit handle.
func (o *Outbound) NewTx() Tx { return (*outboundTx)(o) }

type outboundTx Outbound

// WriteBatch sends bufs over the link; vswitch.Tx has the contract.
func (x *outboundTx) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	l := &x.line
	now := clock()
	l.mu.Lock()
	for _, b := range bufs {
		l.admit(b, now, t)
	}
	l.rearm(now)
	l.mu.Unlock()
}

// deliver hands the port what arrives.
func (o *Outbound) deliver() {
	defer close(o.done)
	l := &o.line
	var tally frame.Tally
	arrived := make([]*held, 0, frame.BatchSize)
	bufs := make([]*frame.Buf, 0, frame.BatchSize)
	for {
		now := clock()
		l.mu.Lock()
		for len(arrived) < frame.BatchSize {
			h := l.due(now)
			if h == nil {
				break
			}
			arrived = append(arrived, h)
			bufs = append(bufs, &h.buf)
		}
		if len(arrived) == 0 {
			l.rearm(now)
			if len(l.queue) == 0 {
				o.emptied.Broadcast()
			}
		}
		closed := l.closed
		l.mu.Unlock()
		switch {
		case len(arrived) > 0:
			o.tx.WriteBatch(bufs, &tally)
			o.counters.AddTx(&tally)
			for _, h := range arrived {
				h.release()
			}
			clear(arrived)
			clear(bufs)
			arrived, bufs = arrived[:0], bufs[:0]
		case closed || l.sleep() != nil:
			return
		}
	}
}
