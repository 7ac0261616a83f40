package interop

import (
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"

	"weft/ctl"
	"weft/internal/netnstest"
)

// TestTunnelGSO: between two of weft, TCP's superframes cross a wire that can
// cut them whole; with the configuration against it they do not.
func TestTunnelGSO(t *testing.T) {
	for _, c := range []struct {
		name    string
		offload *ctl.OffloadSpec
		whole   bool
	}{
		{"auto", &ctl.OffloadSpec{}, true},
		{"off", &ctl.OffloadSpec{TunnelGSO: ctl.OffloadOff}, false},
		{"GSO off", &ctl.OffloadSpec{GSO: ctl.OffloadOff}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{offload: c.offload}
			s := p.build(t, 2)
			f := feature(t, s[1].weft, "tunnel_gso")
			if c.whole && !f.Enabled {
				t.Skip("superframes cannot leave whole here: " + f.Reason)
			}
			if f.Enabled != c.whole {
				t.Errorf("tunnel_gso: %+v", f)
			}
			wire := netnstest.NewCapture(t, s[2].host, "u0")
			exchange(t, &s[1], &s[2], some)
			if c.whole {
				wire.WaitFor(innerSuperframe, patience)
			} else {
				wire.Never(innerSuperframe, patience/100)
			}
		})
	}
}

func feature(t *testing.T, d *daemon, name string) ctl.Feature {
	t.Helper()
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range status.Features {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no %s among %+v", name, status.Features)
	return ctl.Feature{}
}

// innerSuperframe: the IPv4 packet in the tunnel is longer than any wire takes.
func innerSuperframe(p gopacket.Packet) bool {
	const innerLength = 14 + 20 + 8 + 8 + 14 + 2
	b := p.Data()
	return len(b) > innerLength+2 && b[23] == 17 && binary.BigEndian.Uint16(b[innerLength:]) > 10000
}
