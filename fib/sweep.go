package fib

// sweepChunk is how many buckets a sweep looks at before it lets waiting
// insertions pass: 64 KiB, some 20 microseconds.
const sweepChunk = 1024

// shrinkFactor is how many times too large an array may be before a sweep
// makes it smaller. At two it would be back at the next burst of stations.
const shrinkFactor = 4

// Sweep removes the entries that aged and gives their number. The switch calls
// it about once a second, and must at least once a week (see [MaxAge]).
// Insertions wait for a small part of it, lookups and refreshes for nothing.
func (t *Table) Sweep(now Tick) int {
	n := 0
	for a, i := t.array.Load(), 0; i < len(a.buckets); i += sweepChunk {
		t.mu.Lock()
		t.latest = now
		if b := t.array.Load(); b != a {
			a, i = b, 0
		}
		n += t.sweep(a.buckets[i:min(i+sweepChunk, len(a.buckets))], now)
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.array.Load().buckets) >= shrinkFactor*bucketsFor(t.learned+t.static) {
		t.rebuild(nil)
	}
	return n
}

// sweep is Sweep for some buckets. The lock is held; a refresh at the same
// time saves an entry.
func (t *Table) sweep(buckets []bucket, now Tick) int {
	n := 0
	for i := range buckets {
		buckets[i].each(func(_ Key, s *slot) bool {
			v := s.load()
			switch {
			case v == gone:
			case !t.held(v):
				s.store(gone)
			case t.expired(v, now):
				if s.swap(v, gone) {
					t.count(v, -1)
					n++
				}
			case since(now, v.tick()) > MaxAge:
				// Static, or never to age: its tick must not come round.
				s.swap(v, v.withTick(now-MaxAge))
			}
			return true
		})
	}
	return n
}
