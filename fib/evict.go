package fib

import (
	"slices"

	"weft/frame"
)

// The words of this file: a table is full when it holds as many entries as its
// limit allows, static ones and aged ones that no sweep met yet included. A
// port's holding is the number of its learned entries, and the greatest holder
// is the port with most. The victim is the port that gives an entry; it gives
// the one refreshed longest ago.

// makeRoom sees to it that p may have one more entry, evicting if it must. It
// reports false when there is nothing to evict. The lock is held.
//
// When the table is full, p itself is the victim if with one more entry it
// would hold as much as the greatest holder or more; else the greatest holder
// is, the lowest PortID among equals. So p takes only from a port that holds
// at least two more than p does, and which still holds no less than p
// afterwards: a flood settles at its share, rounded down, and from there on
// turns over its own entries alone. With limit 10 and five ports of two
// addresses, a sixth gets one from the first port and no more, however many it
// sends: 1, 2, 2, 2, 2, 1.
//
// A port that holds nothing has nothing to give, and takes from the greatest
// holder even when that holds a single entry: with more ports than entries
// they take turns, or a late port would never be heard of.
func (t *Table) makeRoom(p frame.PortID) bool {
	if !t.makePortRoom(p) {
		return false
	}
	if t.learned+t.static < t.limit {
		return true
	}
	victim := t.greatestHolder()
	if own := t.ports[p].learned; own > 0 && own+1 >= t.ports[victim].learned {
		victim = p
	}
	return t.evict(victim)
}

// makePortRoom is makeRoom as far as the limit of the port goes: p gives an
// entry of its own.
func (t *Table) makePortRoom(p frame.PortID) bool {
	n := &t.ports[p]
	return t.portLimit <= 0 || n.learned+n.static < t.portLimit || t.evict(p)
}

func (t *Table) greatestHolder() frame.PortID {
	best := 0
	for i := range t.ports {
		if t.ports[i].learned > t.ports[best].learned {
			best = i
		}
	}
	return frame.PortID(best)
}

// evictee is an entry as a scan saw it. It is still among the oldest of its
// port if its value is still the same: a refresh would have changed it, and
// what came since is younger.
type evictee struct {
	k   Key
	v   value
	age Tick
}

// evict removes the oldest learned entry of p. It reports false when p has
// none. The lock is held.
func (t *Table) evict(p frame.PortID) bool {
	n := &t.ports[p]
	if n.learned == 0 {
		return false
	}
	n.evicted = true
	for {
		for len(n.oldest) > 0 {
			last := len(n.oldest) - 1
			e := n.oldest[last]
			n.oldest = n.oldest[:last]
			if s := t.array.Load().find(e.k); s != nil && s.swap(e.v, gone) {
				t.count(e.v, -1)
				return true
			}
		}
		t.findOldest()
	}
}

// batchOf is how many entries a scan finds for a port with n: an eighth, so
// that a port that gives all the time costs a scan of the table every n/8
// evictions, some twenty slots for each; and a few more, for a table of many
// ports with few entries.
func batchOf(n int) int { return n/8 + 8 }

// findOldest scans the table for the oldest entries of all ports that evict
// and have used up what the last scan found, one scan for all of them.
func (t *Table) findOldest() {
	room := make([]int, len(t.ports))
	for i := range t.ports {
		if p := &t.ports[i]; p.evicted && len(p.oldest) == 0 {
			room[i] = batchOf(p.learned)
			p.oldest = make([]evictee, 0, min(room[i], p.learned))
		}
	}
	// Refreshes do not set t.latest: counting from a moment after it, those
	// that came later are in order too.
	now := t.latest + skew
	for k, s := range t.array.Load().each {
		v := s.load()
		if room[v.port()] == 0 || v.isStatic() || !t.held(v) {
			continue
		}
		p := &t.ports[v.port()]
		e := evictee{k, v, now - v.tick()}
		if len(p.oldest) < room[v.port()] {
			p.oldest = append(p.oldest, e)
			if len(p.oldest) == room[v.port()] {
				slices.SortFunc(p.oldest, byAge) // a sorted slice is a heap
			}
		} else if e.age > p.oldest[0].age {
			p.oldest[0] = e
			siftDown(p.oldest)
		}
	}
	for i := range t.ports {
		if room[i] != 0 {
			slices.SortFunc(t.ports[i].oldest, byAge)
		}
	}
}

func byAge(a, b evictee) int { return int(a.age) - int(b.age) }

// siftDown makes h, but for its first element a heap with the youngest on top,
// a heap altogether.
func siftDown(h []evictee) {
	for i := 0; ; {
		c := 2*i + 1
		if c+1 < len(h) && h[c+1].age < h[c].age {
			c++
		}
		if c >= len(h) || h[c].age >= h[i].age {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
