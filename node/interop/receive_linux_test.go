package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/internal/netnstest"
)

// Words of this file: the bench is one weft, with its client, and a host that
// sends it whatever a test makes up. A datagram is what is sent, from the outer
// UDP header's fields on. The fence is a frame that is right, sent after
// others: once the client has it, it has all of them that it will ever have.

// marked is the source address of inner frames that tests make up.
var marked = net.HardwareAddr{2, 0, 0, 0, 0, 0x99}

type bench struct {
	t       *testing.T
	plan    plan
	weft    *daemon
	sender  *netnstest.Host
	out     *netnstest.Capture // of the client's interface
	from    net.HardwareAddr   // of the underlay's ends
	to      net.HardwareAddr
	fences  int
	counted map[string]uint64 // at the last look
}

// checksum says what stands in the outer UDP header.
type checksum uint8

const (
	right checksum = iota
	zero
	wrong
)

type datagram struct {
	src      netip.Addr // the peer when zero
	tos      uint8
	checksum checksum
	payload  []byte // from the VXLAN header on
}

func newBench(t *testing.T, p plan) *bench {
	t.Helper()
	s := p.hosts(t, 2)
	p.populate(t, s, 1)
	mac := func(h *netnstest.Host) net.HardwareAddr {
		l, err := h.Netlink().LinkByName("u0")
		if err != nil {
			t.Fatal(err)
		}
		return l.Attrs().HardwareAddr
	}
	b := &bench{
		t: t, plan: p, weft: s[1].weft, sender: s[2].host,
		out:  netnstest.NewCapture(t, s[1].client, "eth0"),
		from: mac(s[2].host), to: mac(s[1].host),
	}
	b.fence() // and so weft serves
	b.counted = b.drops()
	return b
}

// send puts datagrams on the underlay.
func (b *bench) send(ds ...datagram) {
	b.t.Helper()
	frames := make([][]byte, len(ds))
	for i, d := range ds {
		frames[i] = b.build(d)
	}
	netnstest.Inject(b.t, b.sender, "u0", frames...)
}

func (b *bench) build(d datagram) []byte {
	b.t.Helper()
	if !d.src.IsValid() {
		d.src = b.plan.underlay(2).Addr()
	}
	dst := b.plan.underlay(1).Addr()
	udp := &layers.UDP{SrcPort: 50000, DstPort: 4789}
	eth := &layers.Ethernet{SrcMAC: b.from, DstMAC: b.to, EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	if b.plan.v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: 64, TrafficClass: d.tos, NextHeader: layers.IPProtocolUDP, SrcIP: d.src.AsSlice(), DstIP: dst.AsSlice()}
		_ = udp.SetNetworkLayerForChecksum(l) // knows both
		ip = l
	} else {
		l := &layers.IPv4{Version: 4, TTL: 64, TOS: d.tos, Protocol: layers.IPProtocolUDP, SrcIP: d.src.AsSlice(), DstIP: dst.AsSlice()}
		_ = udp.SetNetworkLayerForChecksum(l)
		ip = l
	}
	f := serialize(b.t, eth, ip, udp, gopacket.Payload(d.payload))
	sum := f[len(f)-len(d.payload)-2:]
	switch d.checksum {
	case right:
	case zero:
		sum[0], sum[1] = 0, 0
	case wrong:
		sum[0] ^= 0x55
	}
	return f
}

func serialize(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, o, ls...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// packet is a VXLAN header for the VNI and a frame.
func packet(v uint32, inner []byte) []byte {
	h := binary.BigEndian.AppendUint32([]byte{0x08, 0, 0, 0}, v<<8)
	return append(h, inner...)
}

// textFrame is a frame that says something, to everybody.
func textFrame(text string) []byte {
	f := append(bytes.Repeat([]byte{0xff}, 6), marked...)
	f = binary.BigEndian.AppendUint16(f, 0x88b5) // local experimental (IEEE 802)
	return append(f, fmt.Sprintf("%-46s", text)...)
}

// fence gives the marked frames that reached the client since the last fence.
func (b *bench) fence() []gopacket.Packet {
	b.t.Helper()
	b.fences++
	text := textFrame(fmt.Sprintf("fence %d", b.fences))
	var seen []gopacket.Packet
	for end := time.Now().Add(patience); time.Now().Before(end); {
		b.send(datagram{payload: packet(vni, text)})
		// Sent again when lost, or when the client was not up yet.
		for again := time.Now().Add(time.Second); ; {
			p := b.out.Next(time.Until(again))
			if p == nil {
				break
			}
			eth, ok := p.LinkLayer().(*layers.Ethernet)
			switch {
			case !ok || !bytes.Equal(eth.SrcMAC, marked) || bytes.Contains(p.Data(), []byte("fence")) && !bytes.Equal(p.Data(), text):
			case bytes.Equal(p.Data(), text):
				return seen
			default:
				seen = append(seen, p)
			}
		}
	}
	b.t.Fatal("a frame that is right did not arrive")
	return nil
}

// ofRx are the reasons for which what comes from the underlay is dropped.
var ofRx = []string{"malformed", "bad_vxlan_header", "reserved_bits", "unknown_vtep", "unknown_vni", "ecn_not_capable"}

func (b *bench) drops() map[string]uint64 {
	b.t.Helper()
	s, err := b.weft.Stats(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Drops
}

// awaitCounts waits until n more frames were dropped for reasons of ofRx, and
// gives how many for each.
func (b *bench) awaitCounts(n uint64) map[string]uint64 {
	b.t.Helper()
	more := map[string]uint64{}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		now, sum := b.drops(), uint64(0)
		for _, r := range ofRx {
			more[r] = now[r] - b.counted[r]
			sum += more[r]
		}
		if sum >= n {
			b.counted = now
			if sum > n {
				break
			}
			return more
		}
	}
	b.t.Fatalf("%v more were dropped, want %d", more, n)
	return nil
}

// expectDrop sends datagrams and wants each counted for the reason, and
// nothing delivered.
func (b *bench) expectDrop(reason string, ds ...datagram) {
	b.t.Helper()
	b.send(ds...)
	if got := b.awaitCounts(uint64(len(ds))); got[reason] != uint64(len(ds)) {
		b.t.Errorf("dropped as %v, want %d as %s", got, len(ds), reason)
	}
	for _, p := range b.fence() {
		b.t.Errorf("the client got a frame that was to be dropped as %s:\n%v", reason, p)
	}
}

// expectFrame sends a datagram and wants exactly the frame at the client.
func (b *bench) expectFrame(d datagram, want []byte) {
	b.t.Helper()
	b.send(d)
	got := b.fence()
	if len(got) != 1 || !bytes.Equal(got[0].Data(), want) {
		b.t.Errorf("the client got %v, want one frame %x", got, want)
	}
}

// expectNothing sends a datagram that the kernel is to refuse, uncounted.
func (b *bench) expectNothing(d datagram) {
	b.t.Helper()
	b.send(d)
	if got := b.fence(); len(got) != 0 {
		b.t.Errorf("the client got %v, want nothing", got)
	}
}

func TestReceive(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("v6=%t,strict=%t", v6, strict), func(t *testing.T) {
				b := newBench(t, plan{v6: v6, strict: strict})
				receiveHeaders(b, strict)
				receiveStrangers(b)
				receiveChecksums(b)
				receiveECN(b)
			})
		}
	}
}

// receiveHeaders sends VXLAN headers that are right, odd and wrong.
func receiveHeaders(b *bench, strict bool) {
	frame := textFrame("a frame")
	b.expectFrame(datagram{payload: packet(vni, frame)}, frame)
	b.expectDrop("unknown_vni", datagram{payload: packet(vni+1, frame)}, datagram{payload: packet(0, frame)}, datagram{payload: packet(vni<<8, frame)})
	for bit := range 64 {
		p := packet(vni, frame)
		p[bit/8] ^= 1 << (bit % 8)
		switch at := bit / 8; {
		case p[0]&0x08 == 0:
			b.expectDrop("bad_vxlan_header", datagram{payload: p})
		case at >= 4 && at <= 6:
			b.expectDrop("unknown_vni", datagram{payload: p})
		case strict:
			b.expectDrop("reserved_bits", datagram{payload: p})
		default:
			b.expectFrame(datagram{payload: p}, frame)
		}
	}
	// Too short for an Ethernet header, down to nothing.
	var short []datagram
	for n := range 8 + 14 {
		short = append(short, datagram{payload: packet(vni, frame)[:n]})
	}
	b.expectDrop("bad_vxlan_header", short...)
}

// receiveStrangers sends from addresses that are no peers'.
func receiveStrangers(b *bench) {
	stranger := b.plan.underlay(77).Addr()
	frame := textFrame("from a stranger")
	b.expectDrop("unknown_vtep",
		datagram{src: stranger, payload: packet(vni, frame)},
		datagram{src: stranger, payload: packet(vni+1, frame)},
		datagram{src: stranger, payload: []byte{1}},
		datagram{src: stranger})
}

// receiveChecksums: a zero outer checksum is none, a wrong one is the end.
func receiveChecksums(b *bench) {
	frame := textFrame("checksum")
	b.expectFrame(datagram{checksum: zero, payload: packet(vni, frame)}, frame)
	b.expectNothing(datagram{checksum: wrong, payload: packet(vni, frame)})
}

// receiveECN takes every combination of inner and outer ECN (RFC 6040 section
// 4.2) through IPv4 and IPv6.
func receiveECN(b *bench) {
	const notECT, ect1, ect0, ce = 0, 1, 2, 3
	want := map[[2]uint8]uint8{ // inner, outer; those that change
		{ect0, ect1}: ect1, {ect0, ce}: ce, {ect1, ce}: ce,
	}
	for inner := range uint8(4) {
		for outer := range uint8(4) {
			for _, build := range []func(tos uint8) []byte{b.innerV4, b.innerV6} {
				d := datagram{tos: 0xb8 | outer, payload: packet(vni, build(0x28|inner))}
				if inner == notECT && outer == ce {
					b.expectDrop("ecn_not_capable", d)
					continue
				}
				result, changes := want[[2]uint8{inner, outer}]
				if !changes {
					result = inner
				}
				b.expectFrame(d, build(0x28|result))
			}
		}
	}
}

func (b *bench) innerV4(tos uint8) []byte {
	ip := &layers.IPv4{
		Version: 4, TTL: 9, TOS: tos, Id: 77, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IP{10, 77, 0, 2}, DstIP: net.IP{10, 77, 0, 255},
	}
	return b.innerUDP(layers.EthernetTypeIPv4, ip, ip)
}

func (b *bench) innerV6(tos uint8) []byte {
	ip := &layers.IPv6{
		Version: 6, HopLimit: 9, TrafficClass: tos, FlowLabel: 0xabcde, NextHeader: layers.IPProtocolUDP,
		SrcIP: net.ParseIP("fd77::2"), DstIP: net.ParseIP("ff02::1"),
	}
	return b.innerUDP(layers.EthernetTypeIPv6, ip, ip)
}

func (b *bench) innerUDP(kind layers.EthernetType, ip gopacket.SerializableLayer, network gopacket.NetworkLayer) []byte {
	udp := &layers.UDP{SrcPort: 1000, DstPort: 9}
	_ = udp.SetNetworkLayerForChecksum(network) // is IP
	eth := &layers.Ethernet{SrcMAC: marked, DstMAC: net.HardwareAddr(bytes.Repeat([]byte{0xff}, 6)), EthernetType: kind}
	return serialize(b.t, eth, ip, udp, gopacket.Payload("congestion"))
}

// TestReceiveRandom: whatever the datagrams are, they are counted, and nothing
// comes of them.
func TestReceiveRandom(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6=%t", v6), func(t *testing.T) {
			b := newBench(t, plan{v6: v6})
			// A batch stays below what a device's backlog holds (1000).
			const batches, batch = 20, 200
			random := rand.New(rand.NewPCG(1, 2))
			total := map[string]uint64{}
			for range batches {
				ds := make([]datagram, batch)
				for i := range ds {
					ds[i] = randomDatagram(b, random)
				}
				b.send(ds...)
				for r, n := range b.awaitCounts(batch) {
					total[r] += n
				}
			}
			for _, p := range b.fence() {
				t.Errorf("the client got\n%v", p)
			}
			t.Logf("%d datagrams: %v", batches*batch, total)
		})
	}
}

// randomDatagram is random bytes, or a VXLAN packet with something broken; the
// VNI is never the network's.
func randomDatagram(b *bench, random *rand.Rand) datagram {
	d := datagram{payload: make([]byte, random.IntN(1400))}
	for i := range d.payload {
		d.payload[i] = byte(random.Uint32())
	}
	if random.IntN(2) == 0 && len(d.payload) > 8 {
		copy(d.payload, packet(vni, nil))
		switch random.IntN(3) {
		case 0:
			d.payload = d.payload[:random.IntN(min(len(d.payload), 8+14))]
		case 1:
			d.payload[0] &^= 0x08
		default:
			d.src = b.plan.underlay(2 + 1 + random.IntN(90)).Addr()
		}
	}
	if len(d.payload) > 7 && d.src == (netip.Addr{}) && slices.Equal(d.payload[4:7], []byte{0, 0, vni}) && len(d.payload) >= 8+14 {
		d.payload[0] &^= 0x08
	}
	return d
}
