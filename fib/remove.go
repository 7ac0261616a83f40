package fib

import "weft/frame"

// Remove removes the entry of k, learned or static, and reports whether there
// was one. One that aged and was not swept yet counts.
func (t *Table) Remove(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.array.Load().find(k)
	if s == nil || !t.held(s.load()) {
		return false
	}
	t.kill(s)
	return true
}

// FlushPort removes the learned entries of p and gives their number. No Lookup
// that starts after it returned finds one. It takes the same time however many
// they are and however large the table is, except that one flush in 65,535 of
// the same port looks through the table.
func (t *Table) FlushPort(p frame.PortID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flush(p)
}

// flush is FlushPort with the lock held.
func (t *Table) flush(p frame.PortID) int {
	if int(p) >= len(t.ports) || t.ports[p].learned == 0 {
		return 0
	}
	if t.gens().of(p) == numGenerations-1 {
		t.bury()
	}
	t.gens().next(p)
	n := t.ports[p].learned
	t.ports[p] = port{static: t.ports[p].static}
	t.learned -= n
	return n
}

// Flush removes all learned entries and gives their number.
func (t *Table) Flush() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for p := range t.ports {
		n += t.flush(frame.PortID(p))
	}
	return n
}

// RemovePort removes all entries of p, static ones too. Afterwards the PortID
// may be given to another port.
func (t *Table) RemovePort(p frame.PortID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush(p)
	if int(p) >= len(t.ports) || t.ports[p].static == 0 {
		return
	}
	for _, s := range t.array.Load().each {
		if v := s.load(); v.isStatic() && v.port() == p {
			t.kill(s)
		}
	}
}

// bury removes what is dead only by its generation, so that generations may be
// used again. The lock is held.
func (t *Table) bury() {
	for _, s := range t.array.Load().each {
		if v := s.load(); v != gone && !t.held(v) {
			s.store(gone)
		}
	}
}
