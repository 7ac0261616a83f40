// Package unixsock gives sockets a name in the file system without a moment in
// which something is wrong: a socket appears whole, with its mode and ready,
// what a dead process left is taken over, who lives is not disturbed, and the
// name goes with the socket.
//
// # Concurrency
//
// The functions may be called by any number of goroutines and processes at
// once, for one path too: one of them gets it.
package unixsock
