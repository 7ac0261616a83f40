// Package vectorio makes the system calls that take many buffers at once:
// writev(2), sendmmsg(2), recvmmsg(2). Those of golang.org/x allocate.
//
// No call blocks, so none needs notice to Go's scheduler. Linux only.
//
// # Concurrency
//
// The functions may be called from any goroutine.
package vectorio
