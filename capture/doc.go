// Package capture copies what passes a port to whoever asked for it, as
// pcapng. A [Mirror] stands at the port's device and is out of the way, but for
// one load a batch, while nobody captures. A [Tap] is one reader of it, with a
// [Filter] in tcpdump's syntax and a buffer that overflows rather than slow the
// port down.
//
// # Concurrency
//
// A Mirror's handles belong to one goroutine each. Taps come and go from any
// goroutine. A Tap has one reader.
package capture
