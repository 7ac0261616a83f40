package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/internal/netnstest"
)

// quiet is how long a test listens for a frame that must not come. What comes
// takes well under a millisecond.
const quiet = 200 * time.Millisecond

// testType is an EtherType for experiments (IEEE 802-2014 section 9.2.4).
const testType = layers.EthernetType(0x88b5)

// ethernet builds a frame with a payload that tells it from others. vlan 0 is
// no tag.
func ethernet(dst, src string, vlan uint16, payload string) []byte {
	d, err1 := net.ParseMAC(dst)
	s, err2 := net.ParseMAC(src)
	if err1 != nil || err2 != nil {
		panic(fmt.Sprint(err1, err2))
	}
	eth := &layers.Ethernet{DstMAC: d, SrcMAC: s, EthernetType: testType}
	parts := []gopacket.SerializableLayer{eth}
	if vlan != 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		parts = append(parts, &layers.Dot1Q{VLANIdentifier: vlan, Type: testType})
	}
	buf := gopacket.NewSerializeBuffer()
	body := append([]byte(payload), make([]byte, 64)...)
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, append(parts, gopacket.Payload(body))...); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// carries matches test frames with the payload, tagged with vlan.
func carries(payload string, vlan uint16) func(gopacket.Packet) bool {
	return func(p gopacket.Packet) bool {
		tag := uint16(0)
		if q, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
			tag = q.VLANIdentifier
		}
		data := p.Data()
		at := 14
		if tag != 0 {
			at = 18
		}
		return tag == vlan && len(data) >= at+len(payload) && string(data[at:at+len(payload)]) == payload
	}
}

func isIPv4(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeIPv4) != nil }

// station is a client namespace with a port and what arrives there.
type station struct {
	host *netnstest.Host
	see  *netnstest.Capture
	t    *testing.T
}

// newStation gives the network a port in a namespace of the same name. The
// interface has IPv6 off, so that nothing but the test's frames is on it.
func newStation(t *testing.T, r *router, network, name, flags string) *station {
	t.Helper()
	h := netnstest.NewHost(t, name)
	if err := h.Run(func() error {
		return exec.Command("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6").Run()
	}); err != nil {
		t.Logf("IPv6 stays on in %s: %v", name, err)
	}
	r.weft("port add %s %s --netns %s --as eth0 %s", network, name, name, flags)
	return &station{host: h, see: netnstest.NewCapture(t, h, "eth0"), t: t}
}

// send sends a test frame.
func (s *station) send(dst, src, payload string) {
	s.t.Helper()
	netnstest.Inject(s.t, s.host, "eth0", ethernet(dst, src, 0, payload))
}

// gets expects a test frame, and no tag on it.
func (s *station) gets(payload string) {
	s.t.Helper()
	s.see.WaitFor(carries(payload, 0), patience)
}

// misses expects that a test frame does not come.
func (s *station) misses(payload string) {
	s.t.Helper()
	s.see.Never(func(p gopacket.Packet) bool {
		return carries(payload, 0)(p) || carries(payload, vlanOf(p))(p)
	}, quiet)
}

func vlanOf(p gopacket.Packet) uint16 {
	if q, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
		return q.VLANIdentifier
	}
	return 0
}

// sleeperIn starts a process in the namespace that does nothing until the test
// ends, and gives its id.
func sleeperIn(t *testing.T, h *netnstest.Host) int {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func dirOf(path string) string { return filepath.Dir(path) }
