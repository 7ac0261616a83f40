//go:build !linux

package netns

// Host is a named network namespace, on Linux.
type Host struct{ Name string }
