package fib

import (
	"sync/atomic"

	"weft/frame"
)

// generations counts the flushes of every port. A learned entry carries its
// port's count from when it was made and is dead once the two differ, which
// makes a flush one addition. The count is kept together with the port, so that
// the two compare with an entry's in one instruction.
//
// The slice is as long as the ports that the table has met need, see
// [Table.widen].
type generations []atomic.Uint32

// numGenerations is after how many flushes of a port its generation is 0
// again; an entry has 16 bits for it. The number left over is noGeneration,
// which no port ever has: static entries carry it, so that one comparison
// tells a Lookup that an entry is not an ordinary, living one.
const (
	numGenerations = 1<<16 - 1
	noGeneration   = numGenerations
)

// owner gives p with its generation.
func (g generations) owner(p frame.PortID) owner { return owner(g[p].Load()) }

// of gives the generation of p.
func (g generations) of(p frame.PortID) uint32 { return uint32(g.owner(p) >> genShift) }

// next begins a new generation of p. The table's lock is held. Before a
// generation comes round, no entry may be left that had it: see [Table.bury].
func (g generations) next(p frame.PortID) {
	g[p].Store(uint32(ownerOf(p, (g.of(p)+1)%numGenerations)))
}

// grown gives a copy for n ports; those that g has not are in generation 0.
func (g generations) grown(n int) generations {
	c := make(generations, n)
	for p := range c {
		if p < len(g) {
			c[p].Store(g[p].Load())
		} else {
			c[p].Store(uint32(ownerOf(frame.PortID(p), 0)))
		}
	}
	return c
}
