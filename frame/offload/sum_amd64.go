package offload

import "golang.org/x/sys/cpu"

// hasWide: sumWide may be called. It needs AVX2 (Intel from 2013, AMD from
// 2015) and takes a third of the time of the loop in Go.
var hasWide = cpu.X86.HasAVX2

// sumWide adds up the little-endian 32-bit words of b, whose length is a
// multiple of 64 and not 0.
//
//go:noescape
func sumWide(b []byte) uint64
