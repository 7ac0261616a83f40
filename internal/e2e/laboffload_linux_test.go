package e2e

import (
	"encoding/json"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

const routedText = `
topology:
  nodes:
    h1: {address: {eth1: 10.0.0.1/24}}
    h2: {address: {eth1: 10.0.0.2/24}}
    r1: {kind: router, address: {wan: 10.1.0.1/30}, vtep: 10.1.0.1, peers: [r2], networks: {blue: {vni: 42, ports: [p1]}}}
    r2: {kind: router, address: {wan: 10.1.0.2/30}, vtep: 10.1.0.2, peers: [r1], networks: {blue: {vni: 42, ports: [p1]}}}
  links:
    - endpoints: ["r1:wan", "r2:wan"]
    - endpoints: ["h1:eth1", "r1:p1"]
    - endpoints: ["h2:eth1", "r2:p1"]
`

// What a lab's file turns off is off in its switch and in its routers, and the
// lab works.
func TestLabOffload(t *testing.T) {
	u := newLabUser(t, false)
	if netnstest.Plain() {
		t.Skip("the file's own offloads are what is tested")
	}
	u.up(u.file("off", routedText+noOffloads), "off")
	u.lab("exec", "h1", "--", "ping", "-c", "1", "-W", "5", "10.0.0.2")
	for _, node := range []string{"h1", "r1"} {
		var s ctl.Status
		if err := json.Unmarshal([]byte(u.lab("exec", node, "--", "weft", "status", "--json")), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Features) == 0 {
			t.Errorf("%s: no features in %+v", node, s)
		}
		for _, f := range s.Features {
			if f.Enabled {
				t.Errorf("seen from %s: %s is on", node, f.Name)
			}
		}
	}
	u.fails("offload: differs from what this lab was started with", "apply", u.file("off", routedText+"offload: {tap: off}\n"))
}
