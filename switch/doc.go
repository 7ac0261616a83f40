// Package vswitch is the Ethernet switch: bridge domains, the ports attached to
// them, and the pipeline that takes a batch of frames from one port to others.
// It makes no system call; tests run it in memory.
//
// The way of a frame through it is worker.go, read from top to bottom: receive,
// learn, classify, emit.
//
// # Concurrency
//
// Every receive queue has one goroutine in [Switch.Serve]. Workers read the
// configuration as one immutable snapshot that they load once a batch, so a
// change never waits for a frame nor a frame for a change. Methods that change
// the configuration take a mutex, publish a new snapshot and, where something
// goes away, wait until no worker uses an older one: when [Switch.Detach]
// returns, the port is written to no more.
package vswitch
