// Package impair makes a link as bad as somebody wants it: delay with jitter,
// loss, duplication, reordering, corruption, and a rate with a queue in front
// of it, or no link at all. Each direction has conditions of its own, a
// [Spec]. [Outbound] stands before the port of a switch, [Inbound] before its
// receive queue.
//
// # The way of a frame
//
//	loss -> duplication -> corruption -> queue and rate -> delay and jitter
//
// Conditions are those of a wire, so they are met by wire frames: a superframe
// is cut into its segments first, unless all that happens to it is a constant
// delay. A frame on its way is a copy in memory of the link's own.
//
// # Concurrency
//
// Conditions may be changed at any time from any goroutine, and frames that
// are on their way stay on it. The package has no goroutine: what arrives is
// dealt with by the call of a [Timer], in the daemon by a worker between two
// reads. Frames may be sent by any number of goroutines.
package impair
