// Package perf compares weft with the kernel's VXLAN and with what people
// would run instead, side by side on this machine. `weft perf` is it.
//
// Everything happens in namespaces of its own, which go with the process. A
// comparison is a number of rounds; in each, every measure is taken of every
// system in turn, each time on a picture that is built for it and removed
// after it. So what is compared was measured seconds apart, and nothing
// depends on what went before.
//
//	perf/systems   the picture, and how each system joins its clients
//	perf/load      traffic between clients, and what comes of it
//	perf/report    what was measured: tables, JSON, the page
//	perf/page      a program that draws the page from the JSON
//
// The full form takes most of its time for searches of frame rates. So several
// ports are measured one way only, and these, 512 byte frames and the learning
// of addresses in three of the rounds; tables say where a median is of fewer
// rounds than the others. The quick form has rates with little loss only, and
// Open vSwitch with TAPs only.
//
// That another system fails at something is a result like any other, noted and
// no error. A failure of weft is one.
//
// # Concurrency
//
// One comparison at a time; it wants the machine to itself.
package perf
