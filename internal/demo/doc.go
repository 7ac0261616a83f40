// Command demo shows weft at work: two hosts with a wire between them, a
// daemon on each, and a client on either side that believes to be in one
// Ethernet with the other. It types the commands a user would, pings, and
// measures, in namespaces that vanish with it however it ends.
//
//	demo bin/weft
package main
