package interop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/internal/netnstest"
)

// vxlan is a VXLAN packet as it was seen on the underlay.
type vxlan struct {
	packet             gopacket.Packet // from the outer Ethernet header on
	outerSrc, outerDst netip.Addr
	tos, ttl           uint8
	dontFragment       bool // IPv4; true for IPv6, which does not
	udp                *layers.UDP
	header             [8]byte         // VXLAN's
	inner              gopacket.Packet // from the inner Ethernet header on
	vlan               uint16          // of the inner tag, 0 without one
}

// decode understands a packet as VXLAN to the UDP port.
func decode(p gopacket.Packet, port uint16) (*vxlan, bool) {
	v := &vxlan{packet: p}
	var ok bool
	if v.udp, ok = p.Layer(layers.LayerTypeUDP).(*layers.UDP); !ok || v.udp.DstPort != layers.UDPPort(port) {
		return nil, false
	}
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		v.outerSrc, _ = netip.AddrFromSlice(ip.SrcIP)
		v.outerDst, _ = netip.AddrFromSlice(ip.DstIP)
		v.tos, v.ttl = ip.TOS, ip.TTL
		v.dontFragment = ip.Flags&layers.IPv4DontFragment != 0
	case *layers.IPv6:
		v.outerSrc, _ = netip.AddrFromSlice(ip.SrcIP)
		v.outerDst, _ = netip.AddrFromSlice(ip.DstIP)
		v.tos, v.ttl, v.dontFragment = ip.TrafficClass, ip.HopLimit, true
	default:
		return nil, false
	}
	// gopacket knows VXLAN by its usual port only.
	payload := v.udp.Payload
	if len(payload) < 8 {
		return nil, false
	}
	v.header = [8]byte(payload)
	v.inner = gopacket.NewPacket(payload[8:], layers.LayerTypeEthernet, gopacket.Default)
	if tag, ok := v.inner.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
		v.vlan = tag.VLANIdentifier
	}
	return v, true
}

// awaitVXLAN gives the first VXLAN packet to the default port that match accepts.
func awaitVXLAN(t testing.TB, c *netnstest.Capture, match func(*vxlan) bool) *vxlan {
	t.Helper()
	return awaitVXLANTo(t, c, 4789, match)
}

// awaitVXLANTo is awaitVXLAN with another port.
func awaitVXLANTo(t testing.TB, c *netnstest.Capture, port uint16, match func(*vxlan) bool) *vxlan {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p := c.Next(time.Until(end))
		if p == nil {
			break
		}
		if v, ok := decode(p, port); ok && match(v) {
			return v
		}
	}
	t.Fatalf("no such VXLAN packet within %v", patience)
	return nil
}
