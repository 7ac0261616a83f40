package interop

import (
	"testing"

	"weft/internal/netnstest"
)

// TestKernel joins weft and the kernel's VXLAN device, with offloads as both
// have them, and moves everything both ways.
func TestKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
	}{
		{"IPv4", plan{}},
		{"IPv6", plan{v6: true}},
		{"other port", plan{port: 14789}},
		{"IPv4 without checksums", plan{noChecksum: true}},
		{"IPv6 without checksums", plan{v6: true, noChecksum: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.plan.kernel = []int{2}
			s := c.plan.build(t, 2)
			exchange(t, &s[1], &s[2])
		})
	}
}

// bulk is the size of a transfer in bytes.
const bulk = 64 << 20

// exchange pings, echoes datagrams and moves bulk data both ways between
// clients a and b, which are sites 1 and 2.
func exchange(t *testing.T, a, b *site) {
	t.Helper()
	a.ping(t, overlay4(2))
	b.ping(t, overlay4(1))
	a.ping(t, overlay6(2))
	b.ping(t, overlay6(1))
	sizes := []int{1, 2, 17, 18, 100, 1024, 1400, 1422, 1423, 2000, 4096, 8192}
	netnstest.UDPEcho(t, a.client, b.client, overlay4(2), sizes...)
	netnstest.UDPEcho(t, b.client, a.client, overlay4(1), sizes...)
	netnstest.UDPEcho(t, a.client, b.client, overlay6(2), sizes...)
	netnstest.UDPEcho(t, b.client, a.client, overlay6(1), sizes...)
	netnstest.TransferTCP(t, a.client, b.client, overlay4(2), bulk)
	netnstest.TransferTCP(t, b.client, a.client, overlay4(1), bulk)
	netnstest.TransferTCP(t, a.client, b.client, overlay6(2), bulk)
	netnstest.TransferTCP(t, b.client, a.client, overlay6(1), bulk)
}
