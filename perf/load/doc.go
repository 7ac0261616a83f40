// Package load makes traffic between clients and measures what comes of it:
// throughput, frame loss, round trips, CPU, memory and address learning. What
// is between the clients, a switch, a tunnel or a bare wire, it neither knows
// nor touches.
//
// A client is an [End]: a network namespace with an interface. Everything runs
// in this process. Senders and receivers are threads with plain blocking
// sockets, since they share the machine with what they measure and Go's poller
// would cost both more than the sockets do.
//
// The methods are those of RFC 2544 (benchmarking of interconnect devices),
// RFC 2889 (of LAN switches) and RFC 8172 (of virtual devices), as far as one
// machine can be tester and tested at once. The differences:
//
//   - Frames leave in bursts of at most [maxBurst], since a wake-up for each
//     would take the CPU from the device under test. RFC 2544 section 21
//     wants them evenly spaced.
//   - Trials are as short as the caller says; RFC 2544 section 24 wants 60 s.
//   - The addresses in the test frames are those of the clients, not the
//     range of RFC 2544 appendix C.2.2.
//
// # Concurrency
//
// Every function may be called by several goroutines at once; those that
// measure then disturb each other, as all that runs on the machine does.
// Functions with a context return soon after it is done, with its error.
package load

import (
	"errors"
	"net"
	"net/netip"

	"weft/internal/netns"
)

// End is a client: a namespace, its interface, and the addresses there.
type End struct {
	Host   *netns.Host
	IfName string
	Addr   netip.Addr
	MAC    net.HardwareAddr
}

// ErrNoPath says that not one frame came through where some must before
// anything is measured.
var ErrNoPath = errors.New("no frame passes between the clients")
