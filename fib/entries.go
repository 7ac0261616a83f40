package fib

import (
	"cmp"
	"math"
	"slices"

	"weft/frame"
)

// Entry is one line of the table.
type Entry struct {
	Key
	Port   frame.PortID
	Static bool
	// Age is the time since a frame from the address was seen, or since the
	// static entry was made.
	Age Tick
}

// Entries gives what Lookup would find at now, sorted by VLAN and MAC.
func (t *Table) Entries(now Tick) []Entry {
	list := t.entries(now)
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

func (t *Table) entries(now Tick) []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Entry, 0, t.learned+t.static)
	for k, s := range t.array.Load().each {
		v := s.load()
		if t.held(v) && !t.expired(v, now) {
			list = append(list, Entry{k, v.port(), v.isStatic(), since(now, v.tick())})
		}
	}
	return list
}

// Len is the number of entries, as it counts against the limit: aged ones that
// were not swept yet included.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.learned + t.static
}

// PortLen is the number of entries of p, counted as Len does.
func (t *Table) PortLen(p frame.PortID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if int(p) >= len(t.ports) {
		return 0
	}
	return t.ports[p].learned + t.ports[p].static
}

// Limit is the limit in force.
func (t *Table) Limit() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit
}

// SetConfig changes all of the configuration. When a limit falls, the oldest
// entries go, of the ports that hold most, until it is met; static entries
// stay even beyond it.
func (t *Table) SetConfig(c Config) {
	t.SetAge(c.Age)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.portLimit = c.PortLimit
	t.setLimit(c.Limit)
}

// SetLimit changes the limit, as SetConfig does.
func (t *Table) SetLimit(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLimit(limit)
}

func (t *Table) setLimit(limit int) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	t.limit = limit
	for i := range t.ports {
		p := &t.ports[i]
		for t.portLimit > 0 && p.learned+p.static > t.portLimit && t.evict(frame.PortID(i)) {
			continue
		}
	}
	for t.learned+t.static > t.limit && t.evict(t.greatestHolder()) {
		continue
	}
}

// SetAge changes after how many ticks entries age; 0 is never. It holds at
// once, also for entries that are there.
func (t *Table) SetAge(age Tick) {
	if age == 0 {
		t.life.Store(math.MaxUint32)
		return
	}
	t.life.Store(uint32(min(age, MaxAge)) + skew)
}
