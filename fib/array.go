package fib

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

// The words of this file: a bucket is the four slots of one cache line, an
// array is a power of two of buckets. A key's home is the bucket that its hash
// names; buckets are filled from slot 0 up, and a key that finds its home full
// overflows into the next bucket.

const (
	slotsPerBucket = 4

	// minBuckets makes the smallest array 1 KiB: most networks are small.
	minBuckets = 16

	// maxProbe bounds how many buckets an insertion visits. At the highest load
	// the longest way among two million slots is about a dozen; an insertion
	// that would need more makes the array grow.
	maxProbe = 32
)

type bucket [slotsPerBucket]slot

// array is a hash table of fixed size in which a slot, once it has a key,
// keeps it.
type array struct {
	// buckets has a length of a power of two, hence a size for which the
	// allocator aligns it to cache lines.
	buckets      []bucket
	seed, factor uint64

	// gens is the table's when this was its array. One that was replaced may
	// miss later flushes: a Lookup in it began before them.
	gens generations

	// next is the array that replaces this one, set before the first entry is
	// copied. Who refreshes an entry here repeats that there.
	next atomic.Pointer[array]

	// used counts the slots that have a key, dead ones too. Guarded by the
	// table's lock.
	used int
}

func newArray(buckets int, g generations) *array {
	return &array{
		gens:    g,
		buckets: make([]bucket, buckets),
		seed:    rand.Uint64(),
		factor:  rand.Uint64() | 1,
	}
}

func (a *array) slots() int { return len(a.buckets) * slotsPerBucket }

// maxUsed is how many slots may have a key: 3/4. Beyond that so many buckets
// overflow that processors guess wrong whether the search goes on: at 0.76 a
// hit took 22 ns and a miss 28, in twice the space 17 and 13.
func (a *array) maxUsed() int { return a.slots() / 4 * 3 }

// bucketsFor gives the size for n entries: at most 9/16 full, so that even a
// table at its limit, where every insertion kills one slot and uses up
// another, goes through 3/16 of its slots before it is rebuilt.
func bucketsFor(n int) int {
	b := minBuckets
	for n > b*slotsPerBucket/16*9 {
		b *= 2
	}
	return b
}

// hash gives the number of the home of a key word in its low bits. Both factors
// are secret and new in every array: a station cannot choose addresses that
// meet in one bucket. The word is in both, because a product with one of them
// alone lays addresses in sequence out in an even pattern, which for one factor
// in thirty leaves long ways full and others empty. With both it is less than
// one in a hundred, and then the table is rebuilt with others.
func (a *array) hash(word uint64) uint64 {
	hi, lo := bits.Mul64(word^a.seed, word^a.factor)
	return hi ^ lo
}

// find gives the slot that has the key, or nil. It comes to an end: a bucket
// that overflowed is full, and not all are.
//
// The bucket is a variable of the loop, set in two places, so that the compiler
// takes it for a pointer; of an index into buckets it would compute the address
// of each slot anew.
func (a *array) find(k Key) *slot {
	word := k.word()
	h := a.hash(word)
	b := &a.buckets[h&uint64(len(a.buckets)-1)]
	for {
		if i := b.index(word); i != absent {
			return &b[i%slotsPerBucket]
		}
		if !b.overflowed() {
			return nil
		}
		h++
		b = &a.buckets[h&uint64(len(a.buckets)-1)]
	}
}

// absent is what index gives for a key that is not in the bucket.
const absent = 0

// index gives the slot that has the key word, modulo four. Which of the four
// it is nobody can predict, so there is no branch in it; and it is arithmetic
// because the compiler makes no conditional move of what becomes an address.
// Two words that differ, differ below bit 63; so subtracting one from their
// difference sets bit 63 only when they are equal.
func (b *bucket) index(word uint64) uint64 {
	return ((b[0].key.Load()^word)-1)>>63*4 +
		((b[1].key.Load()^word)-1)>>63 +
		((b[2].key.Load()^word)-1)>>63*2 -
		((b[3].key.Load()&^overflow^word)-1)>>63
}

// overflowed reports whether keys at home here or before were put into the
// next bucket.
func (b *bucket) overflowed() bool { return b[slotsPerBucket-1].key.Load()&overflow != 0 }

// place gives a key that has no slot one, holding v. It reports false when
// there is none near enough. The table's lock is held.
func (a *array) place(k Key, v value) bool {
	word := k.word()
	h := a.hash(word)
	for range maxProbe {
		b := &a.buckets[h&uint64(len(a.buckets)-1)]
		for i := range b {
			if s := &b[i]; s.key.Load() == 0 {
				s.store(v)
				s.key.Store(word)
				a.used++
				return true
			}
		}
		last := &b[slotsPerBucket-1].key
		last.Store(last.Load() | overflow)
		h++
	}
	return false
}

// each gives every slot that has a key, in an order that means nothing.
func (a *array) each(yield func(Key, *slot) bool) {
	for i := range a.buckets {
		if !a.buckets[i].each(yield) {
			return
		}
	}
}

func (b *bucket) each(yield func(Key, *slot) bool) bool {
	for i := range b {
		s := &b[i]
		word := s.key.Load()
		if word == 0 {
			return true
		}
		if !yield(Key(word&^(keyUsed|overflow)), s) {
			return false
		}
	}
	return true
}

// touch repeats the refresh of k to v in a, and in what replaced a.
func (a *array) touch(k Key, v value) {
	for ; a != nil; a = a.next.Load() {
		s := a.find(k)
		if s == nil {
			continue // not copied yet; the copy will find the refreshed value
		}
		for {
			old := s.load()
			if !old.sameEntry(v) || since(v.tick(), old.tick()) == 0 || s.swap(old, v) {
				break
			}
		}
	}
}
