package tap

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestNegotiate: a kernel that refuses an offload is asked for the others.
func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		name    string
		refused int
		want    Features
	}{
		{"nothing refused", 0, Features{Checksum: true, TSO: true, USO: true}},
		{"before Linux 6.2", unix.TUN_F_USO4, Features{Checksum: true, TSO: true}},
		{"no superframes", unix.TUN_F_USO4 | unix.TUN_F_TSO4, Features{Checksum: true}},
		{"none", unix.TUN_F_CSUM, Features{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := negotiate(func(offloads int) error {
				if offloads&c.refused != 0 {
					return unix.EINVAL
				}
				return nil
			})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
