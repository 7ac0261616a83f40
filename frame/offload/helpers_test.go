package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/frame"
)

// spec is a frame to be built by gopacket, which knows nothing of this
// package.
type spec struct {
	host    byte // last octet of the source MAC and the source address
	tags    []layers.EthernetType
	v6, udp bool
	options int  // bytes of IPv4 options, or of an IPv6 destination options header
	stamps  bool // TCP timestamps
	stamp   byte // part of their value
	df      bool
	id      uint16
	tos     uint8
	ttl     uint8
	sport   uint16
	seq     uint32
	ack     uint32
	window  uint16
	flags   uint8
	payload []byte
}

// tcp4 is the plainest segment.
func tcp4(payload []byte) spec {
	return spec{host: 1, df: true, id: 7, ttl: 64, sport: 40000, seq: 1000, ack: 5, window: 501, flags: flagACK, payload: payload}
}

func (k spec) l3() int { return 14 + 4*len(k.tags) }

func (k spec) l4() int {
	if k.v6 {
		return k.l3() + 40 + k.options
	}
	return k.l3() + 20 + k.options
}

func (k spec) hdrLen() int {
	switch {
	case k.udp:
		return k.l4() + 8
	case k.stamps:
		return k.l4() + 32
	default:
		return k.l4() + 20
	}
}

func (k spec) csum() int {
	if k.udp {
		return k.l4() + 6
	}
	return k.l4() + 16
}

func (k spec) gso() frame.GSO {
	switch {
	case k.udp:
		return frame.GSOUDP
	case k.v6:
		return frame.GSOTCPv6
	default:
		return frame.GSOTCPv4
	}
}

// build gives the finished frame.
func (k spec) build(tb testing.TB) []byte {
	tb.Helper()
	var ls []gopacket.SerializableLayer
	eth := &layers.Ethernet{
		DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 99},
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, k.host},
	}
	ls = append(ls, eth)
	next := &eth.EthernetType
	for i, tag := range k.tags {
		*next = tag
		q := &layers.Dot1Q{VLANIdentifier: uint16(100 + i), Priority: 3}
		ls = append(ls, q)
		next = &q.Type
	}
	proto := layers.IPProtocolTCP
	if k.udp {
		proto = layers.IPProtocolUDP
	}
	var network gopacket.NetworkLayer
	if k.v6 {
		*next = layers.EthernetTypeIPv6
		ip := &layers.IPv6{
			Version: 6, TrafficClass: k.tos, FlowLabel: 0x12345, HopLimit: k.ttl, NextHeader: proto,
			SrcIP: net.IP{0xfd, 15: k.host}, DstIP: net.IP{0xfd, 15: 99},
		}
		ls = append(ls, ip)
		network = ip
		if k.options > 0 {
			ip.NextHeader = layers.IPProtocolIPv6Destination
			ext := make([]byte, k.options) // padding with PadN, RFC 8200 section 4.2
			ext[0], ext[1], ext[2], ext[3] = byte(proto), byte(k.options/8-1), 1, byte(min(k.options-4, 255))
			ls = append(ls, gopacket.Payload(ext))
		}
	} else {
		*next = layers.EthernetTypeIPv4
		ip := &layers.IPv4{
			Version: 4, TOS: k.tos, TTL: k.ttl, Id: k.id, Protocol: proto,
			SrcIP: net.IP{10, 0, 0, k.host}, DstIP: net.IP{10, 0, 0, 99},
		}
		if k.df {
			ip.Flags = layers.IPv4DontFragment
		}
		for range k.options {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
		}
		ls = append(ls, ip)
		network = ip
	}
	if k.udp {
		l := &layers.UDP{SrcPort: layers.UDPPort(k.sport), DstPort: 53}
		noError(tb, l.SetNetworkLayerForChecksum(network))
		ls = append(ls, l)
	} else {
		l := &layers.TCP{
			SrcPort: layers.TCPPort(k.sport), DstPort: 80, Seq: k.seq, Ack: k.ack, Window: k.window,
			FIN: k.flags&1 != 0, SYN: k.flags&2 != 0, RST: k.flags&4 != 0, PSH: k.flags&8 != 0,
			ACK: k.flags&16 != 0, URG: k.flags&32 != 0, ECE: k.flags&64 != 0, CWR: k.flags&128 != 0,
		}
		if k.stamps {
			l.Options = []layers.TCPOption{
				{OptionType: layers.TCPOptionKindNop},
				{OptionType: layers.TCPOptionKindNop},
				{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{1, 2, 3, k.stamp, 5, 6, 7, 8}},
			}
		}
		noError(tb, l.SetNetworkLayerForChecksum(network))
		ls = append(ls, l)
	}
	ls = append(ls, gopacket.Payload(k.payload))
	buf := gopacket.NewSerializeBuffer()
	noError(tb, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	// gopacket pads to 60 bytes, as a wire does and a TAP does not.
	return append([]byte(nil), buf.Bytes()[:k.hdrLen()+len(k.payload)]...)
}

// same fails unless got is want.
func same(tb testing.TB, want, got []byte, format string, args ...any) {
	tb.Helper()
	if !bytes.Equal(want, got) {
		tb.Fatalf("%s: want -, got +:\n%s", fmt.Sprintf(format, args...), cmp.Diff(want, got))
	}
}

// super gives the frame as a kernel leaves it when size is its segment size:
// with only the pseudo-header's sum.
func (k spec) super(tb testing.TB, size int) *frame.Buf {
	tb.Helper()
	f := k.build(tb)
	binary.BigEndian.PutUint16(f[k.csum():], naiveSum(k.pseudoHeader(f)))
	b := bufOf(f)
	b.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: uint16(k.l4()), CsumOffset: uint16(k.csum() - k.l4()),
		GSO: k.gso(), HdrLen: uint16(k.hdrLen()), GSOSize: uint16(size),
	}
	b.VNI, b.Ingress = 42, 3
	return b
}

// pseudoHeader writes out the pseudo-header of the frame f.
func (k spec) pseudoHeader(f []byte) []byte {
	proto := byte(6)
	if k.udp {
		proto = 17
	}
	length := len(f) - k.l4()
	if k.v6 {
		h := append([]byte(nil), f[k.l3()+8:k.l3()+40]...)
		return append(h, byte(length>>24), byte(length>>16), byte(length>>8), byte(length), 0, 0, 0, proto)
	}
	h := append([]byte(nil), f[k.l3()+12:k.l3()+20]...)
	return append(h, 0, proto, byte(length>>8), byte(length))
}

// naiveSum is RFC 1071 to the letter.
func naiveSum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		s += uint32(b[i]) << 8
		if i+1 < len(b) {
			s += uint32(b[i+1])
		}
		if s > 0xffff {
			s -= 0xffff
		}
	}
	return uint16(s)
}

// bufOf copies f into a Buf with headroom.
func bufOf(f []byte) *frame.Buf {
	b := new(frame.Buf)
	b.Set(withHeadroom(f), frame.Headroom)
	return b
}

func withHeadroom(f []byte) []byte {
	return append(make([]byte, frame.Headroom, frame.Headroom+len(f)), f...)
}

// splitFrags gives b with its payload, behind the headers, divided into a
// first part of keep bytes and Frags of random lengths.
func splitFrags(b *frame.Buf, keep int, rnd *rand.Rand) *frame.Buf {
	c := b.Clone()
	mem := c.Prepended(frame.Headroom)
	cut := frame.Headroom + int(b.Offload.HdrLen) + keep
	rest := mem[cut:]
	off := c.Offload
	c.Set(mem[:cut], frame.Headroom)
	c.Offload = off
	for len(rest) > 0 {
		n := min(len(rest), rnd.IntN(2000))
		c.Frags = append(c.Frags, rest[:n])
		rest = rest[n:]
	}
	return c
}

func bytesOf(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func noError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
