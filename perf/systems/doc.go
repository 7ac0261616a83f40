// Package systems builds the same picture for every system that is compared:
// two hosts with a wire between them and clients behind each, joined into one
// network by weft, by the kernel, or by one of the programs that people would
// run instead; or one host with its clients in one switch.
//
// A [System] is a row of a table with a function that joins the clients of a
// [Picture]. What it starts belongs to the picture and ends with it.
//
// # Concurrency
//
// A picture is for one goroutine, and one picture is open at a time: its names
// are fixed. The process must be inside netns.Enter.
package systems

// CountedPrefix begins the lines in which `weft perf-counted` says how many
// objects it has allocated.
const CountedPrefix = "allocations "
