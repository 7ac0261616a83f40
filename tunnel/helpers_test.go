package tunnel

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/frame"
	"weft/frame/offload"
)

// spec is an inner frame to be built by gopacket, which knows nothing of this
// package.
type spec struct {
	tags    int // 802.1Q
	v6, tcp bool
	tos     uint8
	port    uint16 // of the source
	seq     uint32
	payload []byte
}

func (k spec) build(tb testing.TB) []byte {
	tb.Helper()
	kinds := []layers.EthernetType{}
	for range k.tags {
		kinds = append(kinds, layers.EthernetTypeDot1Q)
	}
	proto := layers.IPProtocolUDP
	if k.tcp {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if k.v6 {
		l := &layers.IPv6{
			Version: 6, TrafficClass: k.tos, FlowLabel: 0x12345, HopLimit: 64, NextHeader: proto,
			SrcIP: net.ParseIP("fd77::1"), DstIP: net.ParseIP("fd77::2"),
		}
		ip, network = l, l
		kinds = append(kinds, layers.EthernetTypeIPv6)
	} else {
		l := &layers.IPv4{
			Version: 4, TOS: k.tos, Id: uint16(k.seq), TTL: 64, Protocol: proto, Flags: layers.IPv4DontFragment,
			SrcIP: net.IP{10, 77, 0, 1}, DstIP: net.IP{10, 77, 0, 2},
		}
		ip, network = l, l
		kinds = append(kinds, layers.EthernetTypeIPv4)
	}
	ls := []gopacket.SerializableLayer{&layers.Ethernet{
		DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, EthernetType: kinds[0],
	}}
	for i := range k.tags {
		ls = append(ls, &layers.Dot1Q{VLANIdentifier: uint16(10 + i), Type: kinds[i+1]})
	}
	ls = append(ls, ip)
	if k.tcp {
		l := &layers.TCP{SrcPort: layers.TCPPort(k.port), DstPort: 80, Seq: k.seq, Ack: 9, ACK: true, Window: 500}
		_ = l.SetNetworkLayerForChecksum(network) // knows both
		ls = append(ls, l)
	} else {
		l := &layers.UDP{SrcPort: layers.UDPPort(k.port), DstPort: 53}
		_ = l.SetNetworkLayerForChecksum(network)
		ls = append(ls, l)
	}
	buf := gopacket.NewSerializeBuffer()
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, o, append(ls, gopacket.Payload(k.payload))...); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// l3 and l4 are offsets of the headers in a frame of the spec.
func (k spec) l3() int { return frame.EthernetLen + frame.TagLen*k.tags }

func (k spec) l4() int {
	if k.v6 {
		return k.l3() + 40
	}
	return k.l3() + 20
}

// bufOf is a frame with headroom, for VNI 42.
func bufOf(f []byte) *frame.Buf {
	b := &frame.Buf{VNI: 42}
	b.Set(append(make([]byte, frame.Headroom), f...), frame.Headroom)
	return b
}

// asOnWire gives the frames that bufs are on a wire.
func asOnWire(tb testing.TB, bufs []*frame.Buf) (frames [][]byte) {
	tb.Helper()
	s := offload.NewSegmenter()
	for _, b := range bufs {
		if b.Offload.GSO == frame.GSONone {
			frames = append(frames, b.Flat(nil))
			continue
		}
		segs, err := s.Segment(b)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range segs {
			frames = append(frames, slices.Clone(segs[i].Flat(nil)))
		}
	}
	return frames
}

// plain is n bytes of a frame that is not IP, told apart by id.
func plain(n int, id byte) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, id})
	for i := 15; i < n; i++ {
		f[i] = byte(i) * id
	}
	return f
}

// onesSum is the Internet checksum's sum, slowly: 0xffff over a header whose
// checksum is right.
func onesSum(b []byte) uint16 {
	var sum uint32
	for i, x := range b {
		sum += uint32(x) << (8 * (1 - i%2))
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// packet is a VXLAN packet for VNI 42.
func packet(f []byte) []byte {
	p := make([]byte, HeaderLen, HeaderLen+len(f))
	Header(p).Put(42)
	return append(p, f...)
}

var peerAddr = netip.MustParseAddr("10.99.0.2")

// deafVTEP has no sockets, and one hop, at peerAddr, with the id 7.
func deafVTEP(tb testing.TB, c Config) (*VTEP, *Hop) {
	tb.Helper()
	c.Address = netip.MustParseAddr("10.99.0.1")
	v := &VTEP{config: c, addr: netip.AddrPortFrom(c.Address, DefaultPort)}
	v.mtu.Store(1450)
	v.hops.Store(&map[netip.Addr]*Hop{})
	h, err := v.NewHop(netip.AddrPortFrom(peerAddr, 0))
	if err == nil {
		err = v.Admit(h, 7)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return v, h
}
