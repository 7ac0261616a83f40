package fib

import (
	"sort"

	"weft/frame"
)

// The words of this file: a table is full when it holds as many entries as its
// limit, static ones and aged ones that no sweep met yet included. The share
// of a port is the number of its learned entries. The victim is the port that
// has to give an entry, and it gives the one refreshed longest ago.

// evictee is an entry as a scan saw it. It is still among the oldest of its
// port as long as its value word is the same: a refresh would have changed it,
// and whatever came since is younger.
type evictee struct {
	k Key
	v value
}

// makeRoom sees to it that p may have one more entry, evicting if it must. It
// reports false when there is nothing to evict. The lock is held.
//
// Who gives, when the table is full: p itself if with one more it would hold
// as much as the greatest holder; otherwise the greatest holder, the lowest
// PortID among equals. So a port takes only from one that will still hold at
// least as much as it does: a flood settles at the fair share and then turns
// over its own entries alone. A port that holds nothing takes from the
// greatest holder in any case, or a late port could never be heard.
func (t *Table) makeRoom(p frame.PortID) bool {
	if !t.makePortRoom(p) {
		return false
	}
	if t.learned+t.static < t.limit {
		return true
	}
	victim := t.greatest()
	if own := t.portOf(p).learned; own > 0 && own+1 >= t.portOf(victim).learned {
		victim = p
	}
	return t.evict(victim)
}

// makePortRoom is makeRoom as far as the limit of the port goes: p gives an
// entry of its own.
func (t *Table) makePortRoom(p frame.PortID) bool {
	n := t.portOf(p)
	return t.portLimit == 0 || n.learned+n.static < t.portLimit || t.evict(p)
}

// greatest gives the port with the most learned entries, the lowest PortID
// among equals.
func (t *Table) greatest() frame.PortID {
	best := 0
	for i := range t.ports {
		if t.ports[i].learned > t.ports[best].learned {
			best = i
		}
	}
	return frame.PortID(best)
}

// evict removes the oldest learned entry of p. It reports false when p has
// none. The lock is held.
func (t *Table) evict(p frame.PortID) bool {
	if t.portOf(p).learned == 0 {
		return false
	}
	for {
		n := t.portOf(p)
		for len(n.oldest) > 0 {
			e := n.oldest[len(n.oldest)-1]
			n.oldest = n.oldest[:len(n.oldest)-1]
			s := t.array.Load().find(e.k)
			if s != nil && t.held(e.v) && s.swap(e.v, 0) {
				t.count(e.v, -1)
				return true
			}
		}
		t.scan(p)
	}
}

// scan finds the oldest entries of p.
func (t *Table) scan(p frame.PortID) {
	var all []evictee
	for k, s := range t.array.Load().each {
		if v := s.load(); v.port() == p && v&static == 0 && t.held(v) {
			all = append(all, evictee{k, v})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		return since(t.latest, all[i].v.tick()) < since(t.latest, all[j].v.tick())
	})
	t.portOf(p).oldest = all
}
