package fib

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"weft/frame"
)

// The words of this file: a slot holds one entry in two 64-bit words, a bucket
// is the four slots of one cache line, an array is a power of two of buckets.
//
//	key word    63                                                         0
//	            +---+-----------------------------------------------------+
//	            | 1 |  Key                                                |   0: empty
//	            +---+-----------------------------------------------------+
//	value word  63     56 55                32 31          16 15          0
//	            +--------+--------------------+--------------+------------+
//	            | flags  |  tick              |  generation  |  port      |   0: dead
//	            +--------+--------------------+--------------+------------+

const (
	slotsPerBucket = 4

	// keyUsed tells a slot that holds the key 0 from one that was never used.
	keyUsed = 1 << 63

	// maxProbe bounds how many buckets a key may be away from its own. At the
	// highest load the longest way among two million slots is about a dozen;
	// an insertion that would need more makes the array grow.
	maxProbe = 32

	minBuckets = 16
)

// value is the value word of a slot. The zero value is dead: no entry.
type value uint64

const (
	genShift             = 16
	valueTickShift       = 32
	live           value = 1 << 56
	static         value = 1 << 57
)

func makeValue(p frame.PortID, gen uint16, now Tick, flags value) value {
	return value(p) | value(gen)<<genShift | value(now&tickMask)<<valueTickShift | flags
}

func (v value) port() frame.PortID { return frame.PortID(v) }
func (v value) gen() uint16        { return uint16(v >> genShift) }
func (v value) tick() Tick         { return Tick(v>>valueTickShift) & tickMask }

func (v value) withTick(now Tick) value {
	return v&^(tickMask<<valueTickShift) | value(now&tickMask)<<valueTickShift
}

// slot is written by whoever holds the table's lock, except that any goroutine
// may replace a live value by the same value with a later tick.
type slot struct {
	key atomic.Uint64 // 0 or written once, after the value
	val atomic.Uint64
}

func (s *slot) load() value            { return value(s.val.Load()) }
func (s *slot) store(v value)          { s.val.Store(uint64(v)) }
func (s *slot) exchange(v value) value { return value(s.val.Swap(uint64(v))) }
func (s *slot) swap(old, v value) bool { return s.val.CompareAndSwap(uint64(old), uint64(v)) }

type bucket [slotsPerBucket]slot

// array is a hash table of fixed size in which a slot, once it has a key,
// keeps it. Its buckets are filled from slot 0 up and overflow into the next
// bucket, so the first empty slot ends a search.
type array struct {
	buckets      []bucket // a power of two; the allocator aligns it to its own size
	mask         uint64
	seed, factor uint64

	// next is the array that replaces this one, set before the first entry is
	// copied. Who refreshes an entry here repeats that there.
	next atomic.Pointer[array]

	// used counts the slots that have a key, dead ones too. Guarded by the
	// table's lock.
	used int
}

func newArray(buckets int) *array {
	return &array{
		buckets: make([]bucket, buckets),
		mask:    uint64(buckets - 1),
		seed:    rand.Uint64(),
		factor:  rand.Uint64() | 1,
	}
}

func (a *array) slots() int { return len(a.buckets) * slotsPerBucket }

// maxUsed is how many slots may have a key: 13/16. A search then reads 1.2
// cache lines for a hit, and an array that just doubled still costs less than
// 40 bytes an entry (16 / (13/32) = 39.4).
func (a *array) maxUsed() int { return a.slots() / 16 * 13 }

// bucketsFor gives the size for n entries: at most 5/8 full, so that even a
// table at its limit, where every insertion uses up a slot and kills another,
// is rebuilt only after 3/16 of its slots went by.
func bucketsFor(n int) int {
	b := minBuckets
	for n > b*slotsPerBucket/8*5 {
		b *= 2
	}
	return b
}

// home is where the search for a key word begins. The seed and the factor are
// secret and new in every array: a station cannot choose addresses that meet
// in one bucket.
func (a *array) home(word uint64) uint64 {
	hi, lo := bits.Mul64(word^a.seed, a.factor)
	return hi ^ lo
}

// find gives the slot that has the key, or nil.
func (a *array) find(k Key) *slot {
	word := uint64(k) | keyUsed
	h := a.home(word)
	for i := range uint64(maxProbe) {
		b := &a.buckets[(h+i)&a.mask]
		for j := range b {
			switch b[j].key.Load() {
			case word:
				return &b[j]
			case 0:
				return nil
			}
		}
	}
	return nil
}

// place gives a key that has no slot one, holding v. It reports false when
// there is none near enough. The table's lock is held.
func (a *array) place(k Key, v value) bool {
	word := uint64(k) | keyUsed
	h := a.home(word)
	for i := range uint64(maxProbe) {
		b := &a.buckets[(h+i)&a.mask]
		for j := range b {
			if s := &b[j]; s.key.Load() == 0 {
				s.store(v)
				s.key.Store(word)
				a.used++
				return true
			}
		}
	}
	return false
}

// each gives every slot that has a key, in no order that means anything.
func (a *array) each(yield func(Key, *slot) bool) {
	for i := range a.buckets {
		for j := range a.buckets[i] {
			s := &a.buckets[i][j]
			word := s.key.Load()
			if word == 0 {
				break
			}
			if !yield(Key(word&^keyUsed), s) {
				return
			}
		}
	}
}

// touch repeats a refresh of k to v: in a, and in what replaced a.
func (a *array) touch(k Key, v value) {
	for ; a != nil; a = a.next.Load() {
		s := a.find(k)
		if s == nil {
			continue // not copied yet: the copy will find the refreshed value
		}
		for {
			old := s.load()
			if old.withTick(0) != v.withTick(0) || since(v.tick(), old.tick()) == 0 || s.swap(old, v) {
				break
			}
		}
	}
}
