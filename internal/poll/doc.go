// Package poll serves descriptors on threads of their own, without the
// runtime's poller.
//
// The runtime keeps every descriptor in one epoll set. The kernel tells that
// set of each frame that arrives, also while the reader is at work, and a
// reader that sleeps is woken by way of another thread. A [Loop] has a thread
// (runtime.LockOSThread), asks poll(2) itself about the few queues that it
// serves, and looks again for a bounded time before it sleeps.
//
// # Concurrency
//
// An [FD] and a [Loop] may be used from any number of goroutines. A [Waiter]
// belongs to one.
package poll
