package frame

import "sync/atomic"

// Tally counts what one worker did for one port during one batch. Frames and
// bytes are those of the wire: a superframe counts as its segments, each with
// its headers, without preamble and frame check sequence.
type Tally struct {
	Frames, Bytes uint64
	Drops         [NumDropReasons]uint64
	dropped       bool
}

// Sent counts b as passed.
func (t *Tally) Sent(b *Buf) {
	frames, bytes := b.Wire()
	t.Frames += frames
	t.Bytes += bytes
}

// Drop counts the segments of b as dropped for the reason.
func (t *Tally) Drop(r DropReason, b *Buf) {
	frames, _ := b.Wire()
	t.DropN(r, frames)
}

// DropN counts n frames as dropped for the reason.
func (t *Tally) DropN(r DropReason, n uint64) {
	t.Drops[r] += n
	t.dropped = true
}

// Counters are the totals of a port, a peer or a VTEP. Workers add a [Tally]
// once a batch; readers see each number whole, and numbers that may be one
// batch apart from each other.
type Counters struct {
	rxFrames, rxBytes, txFrames, txBytes atomic.Uint64
	drops                                [NumDropReasons]atomic.Uint64
}

// AddRx adds t as received and empties it.
func (c *Counters) AddRx(t *Tally) { c.add(&c.rxFrames, &c.rxBytes, t) }

// AddTx adds t as sent and empties it.
func (c *Counters) AddTx(t *Tally) { c.add(&c.txFrames, &c.txBytes, t) }

func (c *Counters) add(frames, bytes *atomic.Uint64, t *Tally) {
	if t.Frames != 0 {
		frames.Add(t.Frames)
		bytes.Add(t.Bytes)
		t.Frames, t.Bytes = 0, 0
	}
	if !t.dropped {
		return
	}
	for r, n := range t.Drops {
		if n != 0 {
			c.drops[r].Add(n)
		}
	}
	t.Drops, t.dropped = [NumDropReasons]uint64{}, false
}

// Drop adds n frames dropped for the reason. It is for what happens outside a
// batch; workers use a [Tally].
func (c *Counters) Drop(r DropReason, n uint64) { c.drops[r].Add(n) }

// Stats is a copy of [Counters] at one moment.
type Stats struct {
	RxFrames, RxBytes, TxFrames, TxBytes uint64
	Drops                                [NumDropReasons]uint64
}

// Load copies the counters.
func (c *Counters) Load() Stats {
	s := Stats{
		RxFrames: c.rxFrames.Load(), RxBytes: c.rxBytes.Load(),
		TxFrames: c.txFrames.Load(), TxBytes: c.txBytes.Load(),
	}
	for r := range c.drops {
		s.Drops[r] = c.drops[r].Load()
	}
	return s
}

// Add sums o into s.
func (s *Stats) Add(o Stats) {
	s.RxFrames += o.RxFrames
	s.RxBytes += o.RxBytes
	s.TxFrames += o.TxFrames
	s.TxBytes += o.TxBytes
	for r, n := range o.Drops {
		s.Drops[r] += n
	}
}

// DropMap gives the reasons that occurred and their counts, never nil.
func (s *Stats) DropMap() map[string]uint64 {
	m := map[string]uint64{}
	for r, n := range s.Drops {
		if n != 0 {
			m[DropReason(r).String()] = n
		}
	}
	return m
}
