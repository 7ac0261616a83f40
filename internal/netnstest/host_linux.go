package netnstest

import (
	"testing"

	"weft/internal/netns"
)

// These are the words of package netns, so that a test imports one package.
type (
	Host       = netns.Host
	End        = netns.End
	KernelVTEP = netns.KernelVTEP
)

// NewHost makes a namespace that is removed when the test ends. It skips or
// fails the test where that is not permitted.
func NewHost(t testing.TB, name string) *Host {
	t.Helper()
	require(t)
	h, err := netns.OpenHost(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// Connect makes a veth pair between a and b and brings it up. mtu is in bytes,
// 0 for [netns.DefaultMTU].
func Connect(t testing.TB, a, b End, mtu int) {
	t.Helper()
	if err := netns.Cable(a, b, mtu); err != nil {
		t.Fatal(err)
	}
}
