package capture

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weft/frame"
)

// Rx, Tx and Port are the seams of a switch; package vswitch has the
// contracts.
type (
	Rx interface {
		ReadBatch(b *frame.Batch) error
	}
	Tx = interface {
		WriteBatch(bufs []*frame.Buf, t *frame.Tally)
	}
	Port interface {
		NewTx() Tx
	}
)

// Mirror shows frames to taps. The zero value is one that nobody looks into.
type Mirror struct {
	taps atomic.Pointer[[]*Tap] // nil for none; a list in it does not change

	mu     sync.Mutex // guards changes of taps, and closed
	closed bool
}

// Add has the tap see frames until Remove. It is false when the mirror is
// closed.
func (m *Mirror) Add(t *Tap) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.store(append(m.list(), t))
	return true
}

// Remove ends what Add began.
func (m *Mirror) Remove(t *Tap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store(slices.DeleteFunc(m.list(), func(other *Tap) bool { return other == t }))
}

// Active reports whether there are taps.
func (m *Mirror) Active() bool { return m.taps.Load() != nil }

// Close ends every tap, and those that are added later.
func (m *Mirror) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, t := range m.list() {
		t.end()
	}
	m.store(nil)
}

// list is a copy of the taps.
func (m *Mirror) list() []*Tap {
	if p := m.taps.Load(); p != nil {
		return slices.Clone(*p)
	}
	return nil
}

func (m *Mirror) store(list []*Tap) {
	if len(list) == 0 {
		m.taps.Store(nil)
		return
	}
	m.taps.Store(&list)
}

// mirrorRx shows what a queue gives.
type mirrorRx struct {
	rx Rx
	m  *Mirror
}

// Rx gives the queue with the mirror behind it.
func (m *Mirror) Rx(rx Rx) Rx { return &mirrorRx{rx, m} }

func (r *mirrorRx) ReadBatch(b *frame.Batch) error {
	err := r.rx.ReadBatch(b)
	if err == nil {
		r.m.Show(b)
	}
	return err
}

// Show shows what a queue gave.
func (m *Mirror) Show(b *frame.Batch) {
	taps := m.taps.Load()
	if taps == nil {
		return
	}
	now := time.Now()
	bufs := b.Bufs()
	for i := range bufs {
		for _, t := range *taps {
			t.see(&bufs[i], Inbound, now)
		}
	}
}

// mirrorPort shows what is written to a port.
type mirrorPort struct {
	port Port
	m    *Mirror
}

// Port gives the port with the mirror before it.
func (m *Mirror) Port(p Port) Port { return &mirrorPort{p, m} }

func (p *mirrorPort) NewTx() Tx { return &mirrorTx{p.port.NewTx(), p.m} }

type mirrorTx struct {
	tx Tx
	m  *Mirror
}

func (x *mirrorTx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	if taps := x.m.taps.Load(); taps != nil {
		now := time.Now()
		for _, b := range bufs {
			for _, t := range *taps {
				t.see(b, Outbound, now)
			}
		}
	}
	x.tx.WriteBatch(bufs, tally)
}
