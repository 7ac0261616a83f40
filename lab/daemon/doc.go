// Package daemon is a lab that runs: it makes namespaces, a switch in this
// process and a router in a process of its own for each node of that kind, and
// keeps them as the topology says.
//
// [wire] makes of a topology the configurations of the switch and of each
// router; everything that changes a lab makes a new topology, wires it, and
// applies the difference, so a lab that starts is one that changes from
// nothing.
//
// # Concurrency
//
// A change is made under one lock, start to end. Commands in nodes and
// listings go on meanwhile.
package daemon
