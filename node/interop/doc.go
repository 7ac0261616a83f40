// Package interop holds tests of the whole daemon against the Linux kernel: its
// VXLAN device and bridge at the other end of a wire, its stack behind the
// ports. Each daemon is a process of its own in a network namespace, driven
// through its control socket as a user's is.
//
// # Concurrency
//
// There is nothing to call.
package interop
