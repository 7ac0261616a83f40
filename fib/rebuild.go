package fib

import (
	"math/bits"

	"weft/frame"
)

// minPorts is for how many ports a table is made: most networks have few.
const minPorts = 16

// pair is what a slot holds.
type pair struct {
	k Key
	v value
}

// rebuild replaces the array by one of the size that suits the entries, without
// the slots whose entry is gone, and with one more entry if there is one.
// Readers go on in the old array until the new one is whole. The lock is held.
func (t *Table) rebuild(more *pair) {
	old := t.array.Load()
	for size := bucketsFor(t.learned + t.static); ; size *= 2 {
		a := newArray(size, old.gens)
		// From here on every refresh in old is repeated in a, if it is there.
		old.next.Store(a)
		if t.copyTo(a, old) && (more == nil || a.place(more.k, more.v)) {
			t.array.Store(a)
			return
		}
	}
}

// cover makes the table know p. The lock is held.
func (t *Table) cover(p frame.PortID) {
	if n := len(t.ports); int(p) >= n {
		t.ports = append(t.ports, make([]port, max(minPorts, 1<<bits.Len16(uint16(p)))-n)...)
		t.widen(len(t.ports))
	}
}

// widen makes room for the generations of that many ports. They come with an
// array of their own, so that a Lookup has to load one pointer and not two; the
// old and the new one share their buckets. The lock is held.
func (t *Table) widen(ports int) {
	old := t.array.Load()
	a := &array{
		buckets: old.buckets, seed: old.seed, factor: old.factor, used: old.used,
		gens: old.gens.grown(ports),
	}
	// Who refreshes an entry in old has to find what replaces a later.
	old.next.Store(a)
	t.array.Store(a)
}

// copyTo copies the entries of old into a. It reports false when one finds no
// place.
func (t *Table) copyTo(a, old *array) bool {
	for k, s := range old.each {
		v := s.load()
		if !t.held(v) {
			// A Lookup may still be in the old array when the generation of
			// this port comes round.
			s.store(gone)
			continue
		}
		if !a.place(k, v) {
			return false
		}
		// A refresh between the load and place did not find k in a.
		if r := s.load(); r != v {
			a.touch(k, r)
		}
	}
	return true
}
