// Package poll serves descriptors without the runtime's poller.
//
// The runtime keeps every descriptor in one epoll set. The kernel tells that
// set of each frame that arrives, also while the reader is at work, and a
// reader that sleeps is woken by way of another thread. A [Loop] asks poll(2)
// itself about the few queues that it serves, looks again for a bounded time,
// and then sleeps in the system call: in effect it is a thread. A [Timer] has
// that thread do something at a time.
//
// # Concurrency
//
// An [FD], a [Loop] and a [Timer] may be used from any number of goroutines; only one reads
// an FD, and so waits for it.
package poll
