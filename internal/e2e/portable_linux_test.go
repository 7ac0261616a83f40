package e2e

import (
	"strings"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// The portable TAP backend carries what the native one does: to a port of the
// same daemon, and to a native one over the tunnel.
func TestPortableTAP(t *testing.T) {
	hosts := underlay(t, "a", "b")
	web1, web2, web3 := netnstest.NewHost(t, "web1"), netnstest.NewHost(t, "web2"), netnstest.NewHost(t, "web3")
	portable := fileA + "      db: {netns: web3, as: eth0, address: 10.77.0.3/24}\noffload: {tap: portable}\n"
	a := start(t, hosts[0], "-c", file(t, portable))
	b := start(t, hosts[1], "-c", file(t, fileB))
	web1.MustPing(t, "10.77.0.2", 2)
	web1.MustPing(t, "10.77.0.3", 2)
	netnstest.TransferTCP(t, web1, web2, "10.77.0.2", 1<<20)
	netnstest.TransferTCP(t, web2, web1, "10.77.0.1", 1<<20)
	netnstest.TransferTCP(t, web1, web3, "10.77.0.3", 1<<20)
	netnstest.UDPEcho(t, web2, web1, "10.77.0.1", 1, 1400, 8192)

	for r, want := range map[*router]bool{a: true, b: false} {
		said := map[string]bool{}
		for _, f := range ask[ctl.Status](r, "status").Features {
			said[f.Name] = !f.Enabled && strings.Contains(f.Reason, "portable TAP backend")
		}
		for _, name := range []string{"tap_checksum", "tap_tso", "tap_uso"} {
			if said[name] != want {
				t.Errorf("status of a daemon, portable %t, about %s:\n%s", want, name, r.weft("status"))
			}
		}
	}
}
