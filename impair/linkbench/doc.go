// Command linkbench measures how exactly weft's links do what they are told:
// delay, loss and rate against the setting, in memory and through a daemon
// with TAPs in namespaces, one link and a hundred at once. `make bench-link`
// runs it; it takes two minutes and wants an idle machine.
//
// Delays are one-way: from before the sender's system call until, in memory, the
// receiving port is called, and, through the daemon, the kernel stamps the frame
// that the daemon writes to the TAP. So the sender's call and the daemon's
// wake-ups are in them, and the receiver's are not. The rows with delay 0s show
// what there is without conditions. Sender and receiver share the processors
// with the daemon; each row says how busy it all was.
package main
