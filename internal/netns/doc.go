// Package netns builds small networks out of namespaces: hosts, the cables
// between them, and VXLAN devices of the kernel. The tests use it by way of
// netnstest; the demo and the side-by-side benchmark use it as it is.
//
// A program calls [Enter] first, which runs it again inside fresh mount,
// network, process and, for an ordinary user, user namespaces, with a /run of
// their own. Whatever it makes lives in there and goes with the process, also
// when that is killed.
//
// # Concurrency
//
// A Host may be used by several goroutines. What a function does inside a
// namespace it does on a locked thread that it brings back afterwards;
// goroutines started there run outside, sockets opened there stay inside.
package netns
