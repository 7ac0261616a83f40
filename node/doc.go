// Package node is the composition root: it puts switch, TAPs and tunnel
// together as one daemon, starts and stops them in order, and is the
// implementation of the control API's Backend.
//
// # Concurrency
//
// A [Node]'s methods may be called from any number of goroutines; one mutex
// serialises what they change. Frames never wait for it. Each port has a
// goroutine that serves its queue and brings it back when its interface was
// lost; one more serves the tunnel, and one watches the underlay.
package node
