//go:build !linux

package space

// Space is the namespaces of a node, on Linux.
type Space struct{ Name string }
