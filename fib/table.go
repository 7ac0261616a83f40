package fib

import (
	"errors"
	"sync"
	"sync/atomic"

	"weft/frame"
)

// DefaultLimit is how many entries a table holds when the configuration does
// not say: more stations than one flat Ethernet bears, and less than 3 MB that
// a flood of addresses can make a network cost.
const DefaultLimit = 65536

// ErrFull is returned when a static entry finds no room because all entries
// that stand in its way are static.
var ErrFull = errors.New("the forwarding table is full of static entries")

// Config bounds a table.
type Config struct {
	// Limit is the greatest number of entries, 0 for [DefaultLimit].
	Limit int
	// PortLimit is the greatest number of entries of one port, static ones
	// included, 0 for no bound other than Limit.
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
	// Full: no room, and nothing that may be evicted to make some. The address
	// has no entry now, not even one on the port that it left.
	Full
)

// Table is the forwarding table of one bridge domain. All methods may be
// called by any goroutine at any time.
type Table struct {
	// What every Lookup reads and hardly anything writes, in a cache line of
	// its own.
	array atomic.Pointer[array] // written under mu
	life  atomic.Uint32         // of learned entries, see value.outlived
	_     [52]byte

	mu        sync.Mutex
	limit     int
	portLimit int
	latest    Tick   // the time as the last call that came with it said
	ports     []port // by PortID, grown as ports appear
	learned   int    // entries of all ports, aged ones that no sweep met too
	static    int
	_         [56]byte // up to a multiple of a cache line, or the allocator would align it to less
}

// port is what the table knows of a port. Guarded by Table.mu.
type port struct {
	learned, static int
	oldest          []evictee // what the last scan found, oldest last
	evicted         bool      // since its last flush
}

// New makes an empty table.
func New(c Config) *Table {
	t := &Table{}
	t.array.Store(newArray(minBuckets, nil))
	// A value that is gone reads as port 0, generation 0. As NoPort is never
	// in that generation, a Lookup need not look for it.
	t.cover(frame.NoPort)
	t.gens().next(frame.NoPort)
	t.SetConfig(c)
	return t
}

// Lookup gives the port of k. It takes no lock, does not wait and does not
// allocate; an entry whose age has passed is a miss whether swept or not.
//
// Where all is in the nearest cache, it is instructions that count. Hence
// [array.find] is written out here, and nothing is called: a function that calls
// none needs no frame of its own.
func (t *Table) Lookup(k Key, now Tick) (frame.PortID, bool) {
	word := k.word()
	for {
		a := t.array.Load()
		buckets := a.buckets
		if len(buckets) == 0 {
			return frame.NoPort, false // never, but the compiler does not know
		}
		h := a.hash(word)
		b := &buckets[h&uint64(len(buckets)-1)]
		var i uint64
		for {
			if i = b.index(word); i != absent {
				break
			}
			if !b.overflowed() {
				return frame.NoPort, false
			}
			h++
			b = &buckets[h&uint64(len(buckets)-1)]
		}
		s := &b[i%slotsPerBucket]
		v := s.load()
		p := v.port()
		if int(p) < len(a.gens) {
			if v.owner() == a.gens.owner(p) {
				if v.outlived(now, t.life.Load()) {
					return frame.NoPort, false
				}
				return p, true
			}
		}
		switch {
		case v.isStatic():
			return p, true
		case v == gone, s.load().sameEntry(v) && t.array.Load() == a:
			// Gone, or its port was flushed. A flush makes the entry a miss only
			// if it was still that port's: it may have moved away before the
			// flush and after the first load. Unchanged now means unchanged then.
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
// reports false when one has to be inserted or moved.
func (t *Table) refresh(k Key, p frame.PortID, now Tick) (LearnResult, bool) {
	a := t.array.Load()
	s := a.find(k)
	if s == nil {
		return 0, false
	}
	for {
		v := s.load()
		switch {
		case v.port() != p && v.isStatic():
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
	// Another goroutine may have been here first.
	if r, done := t.refresh(k, p, now); done {
		return r
	}
	t.latest = now
	t.cover(p)
	s := t.array.Load().find(k)
	if s == nil || !t.held(s.load()) {
		if !t.makeRoom(p) {
			return Full
		}
		t.put(k, s, learnedOn(t.gens().owner(p), now))
		return Inserted
	}
	if !t.makePortRoom(p) {
		// The station is not where the entry says, so the entry goes.
		t.kill(s)
		return Full
	}
	if v := t.replace(s, learnedOn(t.gens().owner(p), now)); t.expired(v, now) {
		return Inserted
	}
	return Moved
}

// AddStatic binds k to p until Remove or RemovePort. It replaces what was
// learned, or an earlier static entry, and makes room as Learn does; when it
// cannot, it returns ErrFull and changes nothing.
func (t *Table) AddStatic(k Key, p frame.PortID, now Tick) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = now
	t.cover(p)
	s := t.array.Load().find(k)
	if s == nil || !t.held(s.load()) {
		if !t.makeRoom(p) {
			return ErrFull
		}
		t.put(k, s, staticOn(p, now))
		return nil
	}
	if s.load().port() != p && !t.makePortRoom(p) {
		return ErrFull
	}
	t.replace(s, staticOn(p, now))
	return nil
}

// held reports whether v is an entry: neither gone nor of a port that was
// flushed since. An entry that aged is held until a sweep or an eviction.
func (t *Table) held(v value) bool {
	return v.isStatic() || v.owner() == t.gens().owner(v.port())
}

// expired reports whether v is past the age of learned entries.
func (t *Table) expired(v value, now Tick) bool {
	return !v.isStatic() && v.outlived(now, t.life.Load())
}

// put makes v the entry of k, which has none; s is the slot that k has
// nevertheless, or nil. The lock is held and there is room.
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
	t.rebuild(&pair{k, v})
}

// replace makes v the entry where s holds another, in one store, so that no
// Lookup in between finds neither. The lock is held.
func (t *Table) replace(s *slot, v value) value {
	old := s.exchange(v)
	t.count(old, -1)
	t.count(v, 1)
	return old
}

// kill removes the entry that s holds; a refresh at the same time does not
// save it. The lock is held.
func (t *Table) kill(s *slot) { t.count(s.exchange(gone), -1) }

// count adds n to the entries of v's kind and port. The lock is held.
func (t *Table) count(v value, n int) {
	p := &t.ports[v.port()]
	if v.isStatic() {
		p.static += n
		t.static += n
		return
	}
	p.learned += n
	t.learned += n
}

// gens gives the generations in force. Those that it gives to a refresh, which
// has no lock, may be old by the time it reads them.
func (t *Table) gens() generations { return t.array.Load().gens }
