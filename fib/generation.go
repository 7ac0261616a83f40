package fib

import (
	"sync/atomic"

	"weft/frame"
)

// generations counts the flushes of every port. A learned entry carries its
// port's count from when it was made and is dead once the two differ, which
// makes a flush one addition.
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

// of gives the generation of p, which has a chunk.
func (g *generations) of(p frame.PortID) uint16 {
	return uint16(g[p>>8].Load()[p&0xff].Load())
}

// cover gives p a chunk. The table's lock is held.
func (g *generations) cover(p frame.PortID) {
	if g[p>>8].Load() == nil {
		g[p>>8].Store(new([256]atomic.Uint32))
	}
}

// next begins a new generation of p. The table's lock is held. Before a
// generation comes round, no entry may be left that had it: see [Table.bury].
func (g *generations) next(p frame.PortID) {
	g[p>>8].Load()[p&0xff].Store((uint32(g.of(p)) + 1) % numGenerations)
}
