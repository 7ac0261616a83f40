// Package ctl is the control API of a weft daemon: its types, the server on a
// Unix socket, and the client that the command line uses. It is HTTP and JSON
// under /v1/, usable with curl --unix-socket.
//
// # Concurrency
//
// Server and Client may be used from any number of goroutines.
package ctl
