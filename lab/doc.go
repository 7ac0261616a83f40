// Package lab is the user's side of labs: it starts the daemon of a lab, finds
// the labs that run, and talks to them. The daemon itself is in lab/daemon.
//
// A lab is one process with everything in namespaces of its own, and one
// directory with its sockets, its log and its topology. Who holds the lock in
// that directory is the lab; a directory that nobody holds is what a killed
// one left, and the next command that needs the name clears it.
//
// # Concurrency
//
// The functions may be called from any goroutine and by several processes at
// once.
package lab
