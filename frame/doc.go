// Package frame holds what moves through weft: Ethernet frames in buffers, the
// metadata that travels with them, and the words of the field (MAC, VLAN, VNI,
// drop reason). It makes no system call and imports nothing of weft.
//
// # Ownership
//
// A [Buf] describes bytes that belong to the Rx that read them. They are
// borrowed until the next read on that Rx. Who writes a Buf out borrows it
// until the call returns: it may write the headroom, it may complete a
// checksum in place (and then clears NeedsCsum), and it writes nothing else.
// Who keeps bytes longer must copy them ([Buf.Clone]).
//
// # Concurrency
//
// Values are plain data without synchronisation: a Batch, its Bufs and a Tally
// belong to one worker at a time. [Counters] may be added to and read by any
// goroutine.
package frame
