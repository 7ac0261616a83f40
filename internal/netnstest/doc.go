// Package netnstest is package netns for tests, the ones that want real TAPs,
// real VXLAN devices and real wires: what it makes goes with the test, what
// goes wrong fails it. It adds traffic and captures. It needs nothing but the
// kernel; every packet is made and checked in Go.
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
// As in package netns.
package netnstest
