// Package e2e holds the tests that use weft as a person does: the binary, its
// command line, real TAPs in network namespaces, frames on the wire.
package e2e
