package vswitch_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
	vswitch "weft/switch"
)

// FuzzTooBigAnswer gives random bytes as the first part of an oversize frame.
// What is answered is answered as gopacket would, and is neither an error nor
// a later fragment by a reading that trusts every length: one that lies makes
// it panic, which is a failure, too.
func FuzzTooBigAnswer(f *testing.F) {
	icmp4 := packet(f, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, 4)}, filler(100))
	icmp6 := packet(f, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip6(layers.IPProtocolICMPv6),
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypePacketTooBig, 0)}, filler(100))
	echo := bytes.Clone(icmp4)
	echo[34] = 8
	options := bytes.Clone(udp4(f, 200))
	options[14] = 0x4f
	fragment := bytes.Clone(udp4(f, 200))
	fragment[21] = 7
	for _, b := range behindExtensions(f) {
		f.Add(b, uint16(1280))
	}
	for _, b := range [][]byte{
		udp4(f, 700), udp6(f, 1400), udp4(f, 99), udp6(f, 99), icmp4, icmp6, echo, options, fragment,
		udp4(f, 200)[:41], udp4(f, 200)[:33], udp6(f, 200)[:54], udp6(f, 200)[:50], eth(frame.Broadcast, mac(1)), nil,
	} {
		f.Add(b, uint16(1450))
		if len(b) >= frame.EthernetLen {
			f.Add(tagged(b, 0xf005), uint16(576))
		}
	}
	f.Fuzz(func(t *testing.T, head []byte, mtu uint16) {
		given := bytes.Clone(head)
		answer := vswitch.TooBigAnswer(head, int(mtu))
		if !bytes.Equal(head, given) {
			t.Fatal("the frame is changed")
		}
		if answer == nil {
			return
		}
		wantAnswer(t, head, answer[frame.Headroom:], int(mtu))
		// An error in a tunnel is not looked for.
		eth := frame.Ethernet(head)
		ip := head[eth.HeaderLen():]
		if eth.EtherType() == frame.EtherTypeIPv4 {
			wantNoErrorV4(t, ip)
		} else {
			wantNoErrorV6(t, layers.IPProtocol(ip[6]), ip[40:])
		}
	})
}

func wantNoErrorV4(t *testing.T, ip []byte) {
	t.Helper()
	if ip[6]&0x1f != 0 || ip[7] != 0 {
		t.Fatal("answers a later fragment")
	}
	kind := ip[ip[0]&0xf*4]
	if layers.IPProtocol(ip[9]) == layers.IPProtocolICMPv4 && kind != layers.ICMPv4TypeEchoRequest && kind != layers.ICMPv4TypeEchoReply {
		t.Fatalf("answers ICMP type %d", kind)
	}
}

// wantNoErrorV6 reads past one header and then past the rest.
func wantNoErrorV6(t *testing.T, kind layers.IPProtocol, rest []byte) {
	t.Helper()
	switch kind {
	case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
		wantNoErrorV6(t, layers.IPProtocol(rest[0]), rest[8+8*int(rest[1]):])
	case layers.IPProtocolAH:
		wantNoErrorV6(t, layers.IPProtocol(rest[0]), rest[8+4*int(rest[1]):])
	case layers.IPProtocolIPv6Fragment:
		if rest[2] != 0 || rest[3] > 7 {
			t.Fatal("answers a later fragment")
		}
		wantNoErrorV6(t, layers.IPProtocol(rest[0]), rest[8:])
	default:
		if kind == layers.IPProtocolICMPv6 && (rest[0] < 128 || rest[0] == layers.ICMPv6TypeRedirect) {
			t.Fatalf("answers ICMPv6 type %d", rest[0])
		}
	}
}
