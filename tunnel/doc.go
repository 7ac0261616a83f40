// Package tunnel is the VTEP: VXLAN (RFC 7348) over UDP to remote VTEPs, which
// weft calls peers and this package hops.
//
// One socket receives on the VXLAN port. A small pool of sockets sends, each
// bound to a port of its own in the dynamic range; the inner flow's hash
// chooses one, so that the underlay spreads flows over its paths and the
// receiver over its queues (RFC 7348 section 5, "Source Port").
//
// A superframe leaves whole where the interface that it leaves by cuts it
// (outlet_linux.go); elsewhere it is cut here.
//
// Outgoing: encap.go, then the send of io_linux.go. Incoming: the receive of
// io_linux.go, then decap.go.
//
// # Concurrency
//
// An [Rx] belongs to one goroutine. A [Hop] gives each transmitting goroutine
// a handle of its own. Hops may be added and removed while frames flow; the
// table of hops is an immutable map behind an atomic pointer.
package tunnel
