package vswitch_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/frame"
	vswitch "weft/switch"
)

// FuzzTooBigAnswer gives random bytes as the first part of an oversize frame.
// What is answered is answered as gopacket would, and is neither an error nor
// a later fragment by gopacket's reading.
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
		// Only what the IP header itself names next: an error behind extension
		// headers, or in a tunnel, is not looked for.
		var next gopacket.Layer
		list := gopacket.NewPacket(head, layers.LayerTypeEthernet, gopacket.NoCopy).Layers()
		for i, l := range list {
			if ip, ok := l.(*layers.IPv4); ok && ip.FragOffset != 0 {
				t.Fatal("answers a later fragment")
			}
			if _, ok := l.(gopacket.NetworkLayer); ok {
				if i+1 < len(list) {
					next = list[i+1]
				}
				break
			}
		}
		switch l := next.(type) {
		case *layers.ICMPv4:
			if k := l.TypeCode.Type(); k != layers.ICMPv4TypeEchoRequest && k != layers.ICMPv4TypeEchoReply {
				t.Fatalf("answers %v", l.TypeCode)
			}
		case *layers.ICMPv6:
			if l.TypeCode.Type() < 128 {
				t.Fatalf("answers %v", l.TypeCode)
			}
		}
	})
}
