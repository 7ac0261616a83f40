// Package netnstest builds small networks out of namespaces: for the tests
// that want real TAPs, real VXLAN devices and real wires, and for the demo. It
// needs nothing but the kernel; every packet is made and checked in Go.
//
// A package whose tests use it gives its TestMain to [Main], which runs them
// again inside fresh mount, network, process and, for an ordinary user, user
// namespaces, with a /run of their own. Whatever a test makes lives in there
// and goes with the process, also when that is killed. Where the machine
// forbids it, [NewHost] skips the test and says what is missing; with CI or
// WEFT_REQUIRE_NETNS in the environment it fails the test instead.
//
// A [Host] is a named network namespace, [Connect] a cable between two.
//
// # Concurrency
//
// A Host may be used by several goroutines. What a function does inside a
// namespace it does on a locked thread that it brings back afterwards;
// goroutines started there run outside, sockets opened there stay inside.
package netnstest
