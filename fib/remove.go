package fib

import "weft/frame"

// Remove removes the entry of k, learned or static, and reports whether there
// was one. One that aged and was not swept yet counts.
func (t *Table) Remove(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.array.Load().find(k)
	if s == nil {
		return false
	}
	v := s.load()
	if !t.held(v) {
		return false
	}
	t.kill(s, v)
	return true
}

// FlushPort removes the learned entries of p and gives their number. No Lookup
// that starts after it returned finds one. It takes the same time however many
// they are.
func (t *Table) FlushPort(p frame.PortID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flush(p)
}

func (t *Table) flush(p frame.PortID) int {
	if int(p) >= len(t.ports) || t.ports[p].learned == 0 {
		return 0
	}
	if t.gens.last(p) {
		t.bury()
	}
	t.gens.bump(p)
	n := t.ports[p].learned
	t.ports[p].learned = 0
	t.ports[p].oldest = nil
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
		if v := s.load(); v&static != 0 && v.port() == p {
			t.kill(s, v)
		}
	}
}

// bury kills what flushes left dead by generation, so that generations may be
// used again. The lock is held.
func (t *Table) bury() {
	for _, s := range t.array.Load().each {
		if v := s.load(); v != 0 && !t.held(v) {
			s.store(0)
		}
	}
}

// Sweep removes the entries that aged and gives their number. The switch calls
// it about once a second; it must be called at least once a week. Insertions
// wait for a part of it, lookups and refreshes do not.
func (t *Table) Sweep(now Tick) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = now
	n := 0
	for _, s := range t.array.Load().each {
		v := s.load()
		switch {
		case v == 0:
		case !t.held(v):
			s.store(0)
		case t.expired(v, now):
			if s.swap(v, 0) {
				t.count(v, -1)
				n++
			}
		case since(now, v.tick()) > MaxAge:
			s.swap(v, v.withTick(now-MaxAge))
		}
	}
	return n
}
