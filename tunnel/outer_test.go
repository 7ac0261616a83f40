package tunnel

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// TestOuter: the outer headers are those that gopacket writes, once the
// checksum that was begun is finished.
func TestOuter(t *testing.T) {
	inner := plain(1001, 9)
	for _, c := range []struct{ from, to string }{
		{"10.99.0.1:50001", "10.98.255.2:4789"},
		{"[fd99::1]:50001", "[fd98:1::2]:14789"},
	} {
		o := outer{from: netip.MustParseAddrPort(c.from), to: netip.MustParseAddrPort(c.to), tos: 0xb9, vni: 0x123456}
		all, beforeUDP := o.lengths()
		got := append(bytes.Repeat([]byte{0xee}, all), inner...)
		o.put(got, len(inner))
		udp := got[beforeUDP:]
		sum := ^onesSum(udp)
		udp[6], udp[7] = byte(sum>>8), byte(sum)

		if want := o.byGopacket(t, inner); !bytes.Equal(got, want) {
			t.Errorf("from %s to %s:\n%x, want\n%x", c.from, c.to, got[:all], want[:min(len(want), all)])
		}
	}
}

func (o *outer) byGopacket(t *testing.T, inner []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(o.from.Port()), DstPort: layers.UDPPort(o.to.Port())}
	vxlan := &layers.VXLAN{ValidIDFlag: true, VNI: uint32(o.vni)}
	src, dst := net.IP(o.from.Addr().AsSlice()), net.IP(o.to.Addr().AsSlice())
	var ip gopacket.SerializableLayer
	if o.to.Addr().Is4() {
		l := &layers.IPv4{Version: 4, TOS: o.tos, TTL: 64, Protocol: layers.IPProtocolUDP, Flags: layers.IPv4DontFragment, SrcIP: src, DstIP: dst}
		_ = udp.SetNetworkLayerForChecksum(l) // knows it
		ip = l
	} else {
		l := &layers.IPv6{Version: 6, TrafficClass: o.tos, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src, DstIP: dst}
		_ = udp.SetNetworkLayerForChecksum(l)
		ip, eth.EthernetType = l, layers.EthernetTypeIPv6
	}
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, options, eth, ip, udp, vxlan, gopacket.Payload(inner)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
