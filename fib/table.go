package fib

import (
	"errors"
	"sync"
	"sync/atomic"

	"weft/frame"
)

// DefaultLimit is how many entries a table holds when the configuration does
// not say: more stations than one flat Ethernet bears, and at 40 bytes an
// entry less than 3 MB that a flood can make a network cost.
const DefaultLimit = 65536

// ErrFull is returned when a static entry finds no room because all entries
// that count against the limit are static.
var ErrFull = errors.New("the forwarding table is full of static entries")

// Config bounds a table.
type Config struct {
	// Limit is the greatest number of entries, 0 for [DefaultLimit].
	Limit int
	// PortLimit is the greatest number of entries of one port, 0 for no bound
	// other than Limit.
	PortLimit int
	// Age is how many ticks after its last refresh a learned entry is gone, 0
	// for never. It is cut to [MaxAge].
	Age Tick
}

// LearnResult says what [Table.Learn] did.
type LearnResult uint8

const (
	// Refreshed: the entry was there, on this port.
	Refreshed LearnResult = iota
	// Inserted: there was none, or one that had aged.
	Inserted
	// Moved: the entry was another port's until now.
	Moved
	// StaticViolation: a static entry says another port; nothing changed.
	StaticViolation
	// Full: no room, and nothing that may be evicted to make some.
	Full
)

// Table is the forwarding table of one bridge domain. All methods may be
// called by any goroutine at any time.
type Table struct {
	// What every Lookup reads and hardly anything writes, in a cache line of
	// its own.
	array atomic.Pointer[array] // written under mu
	age   atomic.Uint32         // of learned entries, in ticks; 0 is never
	_     [48]byte

	gens generations // written under mu, read by every Lookup

	mu        sync.Mutex
	limit     int
	portLimit int
	latest    Tick   // the time as the last call that came with it said
	ports     []port // by PortID, grown as ports appear
	learned   int    // entries of all ports, aged ones that no sweep met too
	static    int
}

// port is what the table knows of a port. Guarded by Table.mu.
type port struct {
	learned, static int
	oldest          []evictee // found by the last scan, oldest last; see evict.go
}

// New makes an empty table.
func New(c Config) *Table {
	t := &Table{}
	t.array.Store(newArray(minBuckets))
	t.SetConfig(c)
	return t
}

// Lookup gives the port of k. It takes no lock, does not wait and does not
// allocate; an entry whose age has passed is a miss whether swept or not.
func (t *Table) Lookup(k Key, now Tick) (frame.PortID, bool) {
	for {
		a := t.array.Load()
		s := a.find(k)
		if s == nil {
			return frame.NoPort, false
		}
		v := s.load()
		if v == 0 || t.expired(v, now) {
			return frame.NoPort, false
		}
		if t.held(v) {
			return v.port(), true
		}
		// The port was flushed. That makes the entry a miss only if it was
		// still that port's: it may have moved away before the flush and after
		// the load above. Unchanged now means unchanged then.
		if s.load().withTick(0) == v.withTick(0) && t.array.Load() == a {
			return frame.NoPort, false
		}
	}
}

// Learn notes that a frame from k arrived on p. When that is known it takes no
// lock, does not allocate, and writes only when the tick changed; otherwise it
// locks. p is not NoPort.
func (t *Table) Learn(k Key, p frame.PortID, now Tick) LearnResult {
	if r, done := t.refresh(k, p, now); done {
		return r
	}
	return t.learn(k, p, now)
}

// refresh does what Learn has to do for an entry that stays where it is. It
// reports false when something has to be inserted or moved.
func (t *Table) refresh(k Key, p frame.PortID, now Tick) (LearnResult, bool) {
	a := t.array.Load()
	s := a.find(k)
	if s == nil {
		return 0, false
	}
	for {
		v := s.load()
		switch {
		case v&static != 0 && v.port() != p:
			return StaticViolation, true
		case v.port() != p || !t.held(v):
			return 0, false
		case since(now, v.tick()) == 0:
			return Refreshed, true
		}
		if r := v.withTick(now); s.swap(v, r) {
			a.next.Load().touch(k, r)
			if t.expired(v, now) {
				return Inserted, true
			}
			return Refreshed, true
		}
	}
}

// learn is the part of Learn that needs the lock: an insertion or a move.
func (t *Table) learn(k Key, p frame.PortID, now Tick) LearnResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = now
	// Another goroutine may have been here first.
	if r, done := t.refresh(k, p, now); done {
		return r
	}
	s := t.array.Load().find(k)
	if s == nil || !t.held(s.load()) {
		if !t.makeRoom(p) {
			return Full
		}
		t.put(k, s, makeValue(p, t.gens.of(p), now, live))
		return Inserted
	}
	v := s.load()
	if !t.makePortRoom(p) {
		// The station is not where the entry says, so the entry goes.
		t.kill(s, v)
		return Full
	}
	// One store, so that no Lookup finds the entry in neither place.
	t.count(v, -1)
	v = s.exchange(makeValue(p, t.gens.of(p), now, live))
	t.count(makeValue(p, 0, 0, live), 1)
	if t.expired(v, now) {
		return Inserted
	}
	return Moved
}

// AddStatic binds k to p until Remove or RemovePort. It replaces what was
// learned, or an earlier static entry, and makes room as Learn does; ErrFull
// when it cannot.
func (t *Table) AddStatic(k Key, p frame.PortID, now Tick) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = now
	nv := makeValue(p, 0, now, live|static)
	s := t.array.Load().find(k)
	if s == nil || !t.held(s.load()) {
		if !t.makeRoom(p) {
			return ErrFull
		}
		t.put(k, s, nv)
		return nil
	}
	if s.load().port() != p && !t.makePortRoom(p) {
		return ErrFull
	}
	t.count(s.exchange(nv), -1)
	t.count(nv, 1)
	return nil
}

// held reports whether v is an entry: not dead, and its port not flushed since.
// An entry that aged is held until a sweep or an eviction removes it.
func (t *Table) held(v value) bool {
	return v != 0 && (v&static != 0 || t.gens.of(v.port()) == v.gen())
}

// expired reports whether v is past the age of learned entries.
func (t *Table) expired(v value, now Tick) bool {
	age := t.age.Load()
	return age != 0 && v&static == 0 && uint32(since(now, v.tick())) >= age
}

// put makes v the entry of k; s is the slot that k already has, or nil. The
// lock is held and there is room.
func (t *Table) put(k Key, s *slot, v value) {
	t.count(v, 1)
	if s != nil {
		s.store(v)
		return
	}
	a := t.array.Load()
	if a.used < a.maxUsed() && a.place(k, v) {
		return
	}
	t.rebuild(&entry{k, v})
}

// kill removes the entry that s holds; a refresh at the same time does not
// save it. The lock is held.
func (t *Table) kill(s *slot, v value) {
	s.store(0)
	t.count(v, -1)
}

// count adds n to the entries of v's kind and port. The lock is held.
func (t *Table) count(v value, n int) {
	p := t.portOf(v.port())
	if v&static != 0 {
		p.static += n
		t.static += n
		return
	}
	p.learned += n
	t.learned += n
}

// portOf gives what the table knows of p. The lock is held; the pointer is
// good until the next call.
func (t *Table) portOf(p frame.PortID) *port {
	for int(p) >= len(t.ports) {
		t.ports = append(t.ports, port{})
	}
	return &t.ports[p]
}
