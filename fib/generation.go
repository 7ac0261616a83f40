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
// Port 300 is number 44 of chunk 1. 256 by 256 covers all PortIDs, and a table
// with few ports pays 2 KiB and one chunk of 1 KiB. A port has a chunk before
// the first entry names it.
type generations [256]atomic.Pointer[[256]atomic.Uint32]

// numGenerations is after how many flushes of a port its generation is 0
// again; an entry has 16 bits for it. The number left over is noGeneration,
// which no port ever has: static entries carry it, so that one comparison
// tells a Lookup that an entry is not an ordinary, living one.
const (
	numGenerations = 1<<16 - 1
	noGeneration   = numGenerations
)

// owner gives p with its generation. p has a chunk.
func (g *generations) owner(p frame.PortID) owner {
	return owner(g[p>>8].Load()[p&0xff].Load())
}

// of gives the generation of p, which has a chunk.
func (g *generations) of(p frame.PortID) uint32 { return uint32(g.owner(p) >> genShift) }

// cover gives p a chunk. The table's lock is held.
func (g *generations) cover(p frame.PortID) {
	if g[p>>8].Load() != nil {
		return
	}
	chunk := new([256]atomic.Uint32)
	for i := range chunk {
		chunk[i].Store(uint32(ownerOf(p&^0xff|frame.PortID(i), 0)))
	}
	g[p>>8].Store(chunk)
}

// next begins a new generation of p. The table's lock is held. Before a
// generation comes round, no entry may be left that had it: see [Table.bury].
func (g *generations) next(p frame.PortID) {
	g[p>>8].Load()[p&0xff].Store(uint32(ownerOf(p, (g.of(p)+1)%numGenerations)))
}
