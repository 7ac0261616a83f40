// Package fib is the forwarding table of one bridge domain: which port leads
// to a MAC address in a VLAN. It learns, ages, moves and forgets; it knows
// nothing of frames, ports or tunnels beyond their numbers.
//
// # Concurrency
//
// Every method of [Table] may be called by any goroutine at any time.
//
// Who writes. All changes of which entries there are, and where, happen under
// one mutex: insertion, move, eviction, removal, flush, sweep, rebuild. One
// kind of change does not take it: a refresh replaces the value word of a
// living entry by the same word with a later tick, by compare-and-swap, and
// only when the tick differs. So a station that talks costs at most ten writes
// a second, of a word in a cache line of four stations, and never a lock.
//
// Who reads. [Table.Lookup] loads the array, finds the key, loads the value
// word and compares its generation with that of its port. It takes no lock and
// repeats itself only when, during the call, the port that it read was flushed
// and the entry had gone elsewhere: another goroutine got something done.
//
// Why a Lookup needs no second look at the key. A slot of an array gets a key
// once and keeps it for the life of the array. Removing an entry makes its
// value gone; only the same key may use the slot again. Thus a value, whenever
// it is loaded, is one of that key. The price is slots that hold nothing; they
// are left behind when the array is rebuilt, which happens every so many
// insertions, at a constant cost for each.
//
// How stale. Not at all, in this sense: the operations are linearizable, each
// takes effect at one moment between its call and its return.
//
//   - A Lookup that finds an entry takes effect when it loads the value. The
//     generation is compared afterwards; generations only advance, so if they
//     are equal then, they were when the value was loaded. A Lookup that finds
//     the generation passed loads the value once more: if it is unchanged, the
//     entry was not elsewhere, and the miss is true; if not, it starts again.
//   - A Lookup that finds no key, or finds the value gone, takes effect when it
//     loads that word.
//   - A move is one store of a value word. No Lookup finds neither port.
//   - A flush takes effect when it advances the generation.
//   - A refresh takes effect with its compare-and-swap, or, when the port was
//     flushed just before that, just before the flush.
//   - In an array that was replaced, nothing changes any more except ticks. A
//     Lookup or a refresh still in it began before it was replaced, and takes
//     effect at that moment or earlier.
//
// A rebuild copies while others refresh. No refresh is lost: the old array
// names its successor before the first entry is copied; who refreshed an entry
// then repeats it in the successor; who copied an entry then looks whether the
// original changed. Whichever is later sees the other. Readers use the old
// array until the new one is whole.
//
// One thing is not guarded against: generations have 16 bits, and a Lookup
// that sleeps between two loads while its port is flushed exactly 65,535 times
// finds an entry that was there when it fell asleep. Entries in the table
// cannot come back in this way: before a generation is used again, what still
// carries it is removed (see Table.bury), once in 65,535 flushes of a port.
//
// # Time
//
// The caller says what time it is, as a [Tick], so that nothing here reads a
// clock and tests need not wait. Callers may be a little apart; an entry
// refreshed by one that is ahead has age 0 for the others. With clocks that
// differ, "effect at one moment" holds with each call's own time.
//
// # Files, in the order of a frame
//
// key.go, table.go (Lookup and Learn), array.go and slot.go (the hash table),
// generation.go (flushes), evict.go (who gives when the table is full),
// rebuild.go, remove.go, sweep.go, entries.go (for people, and the limits).
package fib
