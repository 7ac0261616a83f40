package fib

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
		a := newArray(size)
		// From here on every refresh in old is repeated in a, if it is there.
		old.next.Store(a)
		if t.copyTo(a, old) && (more == nil || a.place(more.k, more.v)) {
			t.array.Store(a)
			return
		}
	}
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
