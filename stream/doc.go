// Package stream is the local port without a TAP: the end of a socket over
// which a virtual machine, or another switch, hands its frames. It speaks what
// QEMU's network backends of the same names speak.
//
// A stream ([Conn]), over TCP or a Unix socket, is a row of frames, each behind
// its length:
//
//	0                 4                       4+n
//	| n (big endian)  | frame of n bytes      | next length ...
//
// A datagram socket ([Dgram]), over UDP or a Unix socket, carries a frame in
// each datagram and nothing else.
//
// [Plug] is a datagram socket that is found by way of a connection: VDE's
// protocol.
//
// Neither carries offload metadata: what leaves is segmented and summed first,
// what comes is finished.
//
// # Concurrency
//
// A [Conn], a [Dgram] and a [Plug] have one receive queue for one goroutine, and give
// each transmitting goroutine a handle of its own (NewTx); handles may write at
// the same time. Close may be called at any time and wakes the reader. A
// [Listener]'s methods may be called from any goroutine.
package stream
