package offload

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
)

func TestParse(t *testing.T) {
	q, s := layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ
	for _, tags := range [][]layers.EthernetType{nil, {q}, {s}, {s, q}, {q, q}} {
		for _, v6 := range []bool{false, true} {
			for _, udp := range []bool{false, true} {
				for _, options := range []int{0, 8, 40} {
					k := tcp4(make([]byte, 77))
					k.tags, k.v6, k.udp, k.options, k.stamps = tags, v6, udp, options, options > 0
					f := k.build(t)
					want := Packet{
						L3: k.l3(), L4: k.l4(), HdrLen: k.hdrLen(), End: len(f),
						EtherType: frame.EtherTypeIPv4, Proto: protoTCP, IPv6: v6,
					}
					if v6 {
						want.EtherType = frame.EtherTypeIPv6
					}
					if udp {
						want.Proto = protoUDP
					}
					name := fmt.Sprintf("tags %v, v6 %v, udp %v, options %d", tags, v6, udp, options)
					if got, ok := Parse(f); !ok || got != want {
						t.Errorf("%s: %+v, %v; want %+v", name, got, ok, want)
					}
					if got, ok := Parse(f[:k.hdrLen()]); !ok || got != want {
						t.Errorf("%s, headers alone: %+v, %v", name, got, ok)
					}
					for n := range k.hdrLen() {
						if _, ok := Parse(f[:n:n]); ok {
							t.Errorf("%s, first %d bytes: parsed", name, n)
						}
					}
				}
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	four, six := tcp4(make([]byte, 100)), tcp4(make([]byte, 100))
	six.v6 = true
	udp := four
	udp.udp = true
	thrice := four
	thrice.tags = []layers.EthernetType{0x88a8, 0x8100, 0x8100}
	if p, ok := Parse(thrice.build(t)); ok {
		t.Errorf("three tags: parsed: %+v", p)
	}
	for name, c := range map[string]struct {
		k     spec
		spoil func(f []byte)
	}{
		"ARP":                    {four, func(f []byte) { f[13] = 6 }},
		"version 6 in IPv4":      {four, func(f []byte) { f[14] = 0x65 }},
		"version 4 in IPv6":      {six, func(f []byte) { f[14] = 0x45 }},
		"IHL 4":                  {four, func(f []byte) { f[14] = 0x44 }},
		"IHL beyond the packet":  {four, func(f []byte) { f[14] = 0x4f; f[17] = 50 }},
		"ICMP":                   {four, func(f []byte) { f[23] = 1 }},
		"total length 0":         {four, func(f []byte) { f[16], f[17] = 0, 0 }},
		"ends in TCP's header":   {four, func(f []byte) { f[17] = 39; f[16] = 0 }},
		"ends in UDP's header":   {udp, func(f []byte) { f[17] = 27; f[16] = 0 }},
		"data offset 4":          {four, func(f []byte) { f[46] = 0x40 }},
		"data offset behind end": {four, func(f []byte) { f[17] = 50; f[16] = 0; f[46] = 0xf0 }},
		"no next header":         {six, func(f []byte) { f[20] = 59 }},
		"payload length 0":       {six, func(f []byte) { f[18], f[19] = 0, 0 }},
		"endless extension":      {six, func(f []byte) { f[20] = 0; f[55] = 255 }},
		"extension after itself": {six, func(f []byte) { f[20] = 60; clear(f[54:]); f[54] = 60 }},
		"IHL 4 before UDP":       {udp, func(f []byte) { f[14] = 0x44 }},
	} {
		f := c.k.build(t)
		if _, ok := Parse(f); !ok {
			t.Fatalf("%s: not parsed to begin with", name)
		}
		c.spoil(f)
		if p, ok := Parse(f); ok {
			t.Errorf("%s: parsed: %+v", name, p)
		}
	}
}

func TestParseFragments(t *testing.T) {
	k := tcp4(make([]byte, 100))
	for name, c := range map[string]struct {
		field uint16
		want  bool
	}{
		"whole": {0x4000, false}, "reserved bit": {0x8000, false}, "first": {0x2000, true},
		"middle": {0x2001, true}, "last": {0x0001, true}, "far": {0x1000, true},
	} {
		f := k.build(t)
		binary.BigEndian.PutUint16(f[20:], c.field)
		p, ok := Parse(f)
		if !ok || p.Fragment != c.want {
			t.Errorf("%s: %+v, %v", name, p, ok)
		}
		if c.want && p.HdrLen != p.L4 {
			t.Errorf("%s: headers end at %d, want %d", name, p.HdrLen, p.L4)
		}
	}

	// IPv6: the destination options header turned into a fragment header, which
	// has the same length.
	k.v6, k.options = true, 8
	f := k.build(t)
	f[20] = protoFragment
	f[55] = 0xff // reserved, no length
	p, ok := Parse(f)
	if want := (Packet{L3: 14, L4: 62, HdrLen: 62, End: len(f), EtherType: 0x86dd, Proto: 6, IPv6: true, Fragment: true}); !ok || p != want {
		t.Errorf("IPv6: %+v, %v; want %+v", p, ok, want)
	}
}
