// Package space makes the places that a lab's nodes live in, network namespaces
// without a name outside of this process, and runs processes in them.
//
// A lab's daemon is the first process of a process namespace. The kernel ends
// everything in there with it, and the namespaces go when nobody holds them:
// nothing outlives the daemon, however it ends. As the first process it also
// inherits every orphan, so waiting for children is done in one place,
// [Processes].
//
// # Concurrency
//
// Everything may be used by several goroutines. What is done in a namespace is
// done on a thread that ends afterwards.
package space
