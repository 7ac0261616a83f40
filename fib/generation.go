package fib

import (
	"sync/atomic"

	"weft/frame"
)

// generations counts the flushes of every port. A learned entry carries its
// port's count from when it was made and is dead once they differ, which makes
// a flush one addition.
//
// Port 300 is entry 44 of chunk 1; a chunk that does not exist stands for
// zeros. 256 by 256 covers all PortIDs, and a table with few ports pays 2 KiB
// and one chunk of 1 KiB.
type generations [256]atomic.Pointer[[256]atomic.Uint32]

// of gives the generation of p as entries store it, in 16 bits. Any goroutine
// may call it.
func (g *generations) of(p frame.PortID) uint16 {
	chunk := g[p>>8].Load()
	if chunk == nil {
		return 0
	}
	return uint16(chunk[p&0xff].Load())
}

// bump begins a new generation of p. The table's lock is held. When it reports
// true the 16 bits are about to come round: before the next bump of p no entry
// of an old generation may be left.
func (g *generations) bump(p frame.PortID) {
	chunk := g[p>>8].Load()
	if chunk == nil {
		chunk = new([256]atomic.Uint32)
		g[p>>8].Store(chunk)
	}
	chunk[p&0xff].Add(1)
}

// last reports whether the next bump of p makes its generation 0 again.
func (g *generations) last(p frame.PortID) bool { return g.of(p) == 1<<16-1 }
