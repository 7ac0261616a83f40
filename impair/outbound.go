package impair

import "weft/frame"

// Tx is a transmit handle; vswitch.Tx has its contract.
type Tx = interface {
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// Port is where frames leave a switch; vswitch.Port has its contract.
type Port interface {
	NewTx() Tx
}

// Outbound is a port behind a link: what is written to it arrives at the port
// under the link's conditions, when its timer says so. Frames count as sent when
// they arrive, in [Outbound.Stats], which the tally of a WriteBatch cannot wait
// for; that has the frames that the link lost.
type Outbound struct {
	line     line
	counters frame.Counters

	// What the timer's function alone uses, and Finish behind it.
	tx      Tx
	tally   frame.Tally
	arrived []*held
	bufs    []*frame.Buf
}

// NewOutbound makes the link to a port; it must be closed.
func NewOutbound(p Port, s Spec, timer NewTimer) *Outbound {
	o := &Outbound{
		tx: p.NewTx(), line: line{spec: s, dice: newDice(s), armed: never},
		arrived: make([]*held, 0, frame.BatchSize), bufs: make([]*frame.Buf, 0, frame.BatchSize),
	}
	o.line.timer = timer(func() { o.deliver() })
	return o
}

// Close loses what is on its way, as port_down, and all that is still written.
func (o *Outbound) Close() {
	var t frame.Tally
	o.line.mu.Lock()
	o.line.close(&t)
	o.counters.AddTx(&t)
	o.line.mu.Unlock()
	o.line.stop()
}

// Finish is Close that lets everything arrive first, at once. Nobody writes
// any more.
func (o *Outbound) Finish() {
	o.line.stop() // the caller delivers the rest
	o.Set(Spec{})
	for o.deliver() > 0 {
	}
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

// deliver hands the port what has arrived, at most a batch, and gives how many
// frames that were.
func (o *Outbound) deliver() int {
	l := &o.line
	l.mu.Lock()
	now := clock()
	for len(o.arrived) < frame.BatchSize {
		h := l.due(now)
		if h == nil {
			break
		}
		o.arrived = append(o.arrived, h)
		o.bufs = append(o.bufs, &h.buf)
	}
	l.armed = never
	l.rearm(now)
	l.mu.Unlock()
	n := len(o.arrived)
	if n == 0 {
		return 0
	}
	o.tx.WriteBatch(o.bufs, &o.tally)
	o.counters.AddTx(&o.tally)
	for _, h := range o.arrived {
		h.release()
	}
	clear(o.arrived)
	clear(o.bufs)
	o.arrived, o.bufs = o.arrived[:0], o.bufs[:0]
	return n
}
