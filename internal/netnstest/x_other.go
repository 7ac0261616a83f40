//go:build !linux

package netnstest

import (
	"os"
	"testing"

	"weft/internal/netns"
)

// Main runs the tests as they are.
func Main(m *testing.M) { os.Exit(m.Run()) }

// Host is a named network namespace, on Linux.
type Host = netns.Host

// NewHost skips the test.
func NewHost(t testing.TB, _ string) *Host {
	t.Helper()
	t.Skip("network namespaces exist on Linux only")
	return nil
}
