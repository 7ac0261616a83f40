// Command linkbench measures how exactly weft's links do what they are told:
// delay, loss and rate against the setting, in memory and through a daemon
// with TAPs in namespaces, one link and a hundred at once. `make bench-link`
// runs it; it takes about a minute and wants an idle machine.
//
// Delays are one-way: sender and receiver read the same clock. In memory the
// receiver is a port, so that the figure is the link's own; through the daemon
// it is a program that reads a socket, so that the sender's and the
// receiver's wake-ups are in it. The row without conditions shows those alone.
package main
