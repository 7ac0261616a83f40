package fib

import (
	"sync/atomic"

	"weft/frame"
)

// slot holds one entry in two words.
//
//	key word    63  62  61 60 59                                           0
//	            +---+---+---+--+-------------------------------------------+
//	            | 0 | 1 | o | 0| Key                                       |
//	            +---+---+---+--+-------------------------------------------+
//	value word  63                          32 31          16 15           0
//	            +-----------------------------+--------------+-------------+
//	            | tick                        | generation   | port        |
//	            +-----------------------------+--------------+-------------+
//
// A key word of 0 is a slot never used, a value word of 0 an entry that is
// gone: no port is NoPort. Bit o stands only in the last slot of a bucket and says that the
// bucket overflowed. Bit 63 of a key word is free for [bucket.index].
//
// Both words are written by whoever holds the table's lock, except that any
// goroutine may replace a value by the same with a later tick. The key is
// written once, after the value.
type slot struct {
	key, val atomic.Uint64
}

const (
	keyUsed  = 1 << 62
	overflow = 1 << 61
)

// word is the key word of k in a slot, without overflow.
func (k Key) word() uint64 { return uint64(k) | keyUsed }

// value is the value word of a slot.
type value uint64

const (
	gone value = 0

	genShift  = 16
	tickShift = 32
)

// owner is a port and its generation, as in the low half of a value word.
type owner uint32

func ownerOf(p frame.PortID, gen uint32) owner { return owner(gen<<genShift | uint32(p)) }

// learnedOn is the value of an entry learned on a port in a generation of it.
func learnedOn(o owner, now Tick) value {
	return value(o) | value(now)<<tickShift
}

func staticOn(p frame.PortID, now Tick) value {
	return learnedOn(ownerOf(p, noGeneration), now)
}

func (v value) port() frame.PortID { return frame.PortID(v) }
func (v value) owner() owner       { return owner(v) }
func (v value) tick() Tick         { return Tick(v >> tickShift) }
func (v value) isStatic() bool     { return v.owner()>>genShift == noGeneration }

func (v value) withTick(now Tick) value { return learnedOn(v.owner(), now) }

// sameEntry reports whether v and o differ at most in when they were refreshed.
func (v value) sameEntry(o value) bool { return v.owner() == o.owner() }

// outlived reports whether at now the life of v is over. life is the age in
// ticks plus skew, and so is what it is compared with: a tick slightly later
// than now gives a small number instead of one near the end of the circle.
func (v value) outlived(now Tick, life uint32) bool {
	return uint32(now-v.tick())+skew >= life
}

func (s *slot) load() value            { return value(s.val.Load()) }
func (s *slot) store(v value)          { s.val.Store(uint64(v)) }
func (s *slot) exchange(v value) value { return value(s.val.Swap(uint64(v))) }
func (s *slot) swap(old, v value) bool { return s.val.CompareAndSwap(uint64(old), uint64(v)) }
