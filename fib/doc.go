// Package fib is the forwarding table of a bridge domain: where the switch
// notes behind which port a MAC address is.
package fib
