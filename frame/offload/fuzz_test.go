package offload

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
)

// seedFrames are frames of every kind that is parsed, each once whole and once
// in its headers alone.
func seedFrames(tb testing.TB) [][]byte {
	q := []layers.EthernetType{0x88a8, 0x8100}
	var out [][]byte
	for _, k := range []spec{
		tcp4(make([]byte, 200)),
		{flags: flagACK | flagPSH, stamps: true, tags: q, payload: make([]byte, 100)},
		{v6: true, flags: 2},
		{v6: true, options: 16, flags: flagACK, payload: make([]byte, 300)},
		{udp: true, options: 8, payload: make([]byte, 99)},
		{udp: true, v6: true, tags: q[:1], payload: []byte{1}},
	} {
		f := k.build(tb)
		fragment := append([]byte(nil), f...)
		fragment[k.l3()+6] |= 0x20
		out = append(out, f, k.unfinished(tb), f[:k.hdrLen()], fragment)
	}
	return append(out, nil, make([]byte, 14), bytes.Repeat([]byte{0x81, 0x00}, 20))
}

func FuzzParse(f *testing.F) {
	for _, s := range seedFrames(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Parse(b)
		if !ok {
			return
		}
		if p.L3 < 14 || p.L3 > 22 || p.L4 < p.L3+20 || p.HdrLen < p.L4 || p.HdrLen > len(b) || p.HdrLen > p.End {
			t.Fatalf("%+v in %d bytes", p, len(b))
		}
		if !p.Fragment && p.HdrLen < p.L4+8 {
			t.Fatalf("no room for a header: %+v", p)
		}
		if short, ok := Parse(b[:p.HdrLen]); !ok || short != p {
			t.Fatalf("headers alone: %+v, %v; whole: %+v", short, ok, p)
		}
	})
}

func FuzzFlowHash(f *testing.F) {
	for _, s := range seedFrames(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h := FlowHash(b)
		if p, ok := Parse(b); ok && !p.Fragment && FlowHash(b[:p.HdrLen]) != h {
			t.Fatal("the payload changes the hash")
		}
	})
}

// A hostile virtio header on a hostile frame: an error, or segments that add up
// to the payload.
func FuzzSegment(f *testing.F) {
	for _, s := range seedFrames(f) {
		p, _ := Parse(s)
		gso := map[frame.GSO]byte{frame.GSOTCPv4: 1, frame.GSOTCPv6: 0x84, frame.GSOUDP: 5}[p.gso()]
		f.Add(virtio(1, gso, 0, 50, uint16(p.L4), uint16(p.csumOffset())), s)
		f.Add(virtio(1, 0, 0, 0, uint16(p.L4), uint16(p.csumOffset())), s)
	}
	f.Fuzz(func(t *testing.T, hdr, mem []byte) {
		b := bufOf(mem)
		if DecodeVirtio(hdr, b) != nil {
			return
		}
		var back [VirtioLen]byte
		EncodeVirtio(back[:], b)
		again := bufOf(mem)
		if err := DecodeVirtio(back[:], again); err != nil || again.Offload != b.Offload {
			t.Fatalf("encoded %+v, decoded %+v, %v", b.Offload, again.Offload, err)
		}
		segs, err := NewSegmenter().Segment(b)
		if err != nil {
			if b.Offload.GSO == frame.GSONone {
				FinishChecksum(b)
			}
			return
		}
		var payload []byte
		for i := range segs {
			s := segs[i].Flat(nil)
			if len(s) > segs[i].MaxWireLen() || len(s) > int(b.Offload.HdrLen)+int(b.Offload.GSOSize) {
				t.Fatalf("segment %d of %d bytes", i, len(s))
			}
			if p, ok := Parse(s); !ok || p.End != len(s) || p.HdrLen != int(b.Offload.HdrLen) {
				t.Fatalf("segment %d: %+v, %v", i, p, ok)
			}
			payload = append(payload, s[b.Offload.HdrLen:]...)
		}
		if !bytes.Equal(payload, mem[b.Offload.HdrLen:]) {
			t.Fatal("the payload changed")
		}
	})
}

func FuzzAdopt(f *testing.F) {
	for _, s := range seedFrames(f) {
		f.Add(s, 0, 100)
		f.Add(s, 40, 1464)
	}
	f.Fuzz(func(t *testing.T, mem []byte, hint, maxFrame int) {
		b := bufOf(mem)
		Adopt(b, hint, maxFrame)
		if !bytes.Equal(b.Head(), mem) {
			t.Fatal("Adopt wrote")
		}
		o := b.Offload
		if o == (frame.Offload{}) {
			return
		}
		if !o.NeedsCsum || int(o.CsumStart)+int(o.CsumOffset)+2 > len(mem) || int(o.HdrLen) > len(mem) {
			t.Fatalf("%+v in %d bytes", o, len(mem))
		}
		if o.GSO == frame.GSONone {
			FinishChecksum(b)
			if b.Offload.NeedsCsum {
				t.Fatal("not finished")
			}
			return
		}
		if o.Guessed && b.MaxWireLen() > maxFrame {
			t.Fatalf("segments of %d bytes, want at most %d", b.MaxWireLen(), maxFrame)
		}
		if o.GSOSize == 0 {
			t.Fatalf("%+v", o)
		}
	})
}

// FuzzCoalesce reads frames that each follow their length in 16 bits, and cuts
// apart again what was merged.
func FuzzCoalesce(f *testing.F) {
	var all []byte
	add := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	for _, s := range seedFrames(f) {
		all = append(all, add(s)...)
		f.Add(append(add(s), add(s)...))
	}
	f.Add(all)
	for i := range 4 {
		k := tcp4(nil)
		k.v6, k.udp = i&1 != 0, i&2 != 0
		var run []byte
		for _, k := range stream(k, 5, 60) {
			run = append(run, add(k.build(f))...)
		}
		f.Add(run)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		batch, c := new(frame.Batch), new(Coalescer)
		c.Begin(batch)
		var in [][]byte
		total := 0
		for len(b) >= 2 && !batch.Full() {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			in = append(in, b[2:2+n])
			total += n
			c.Add(withHeadroom(b[2:2+n]), frame.Headroom, 1, 2)
			b = b[2+n:]
		}
		c.Finish()
		s := NewSegmenter()
		frames, octets := 0, 0
		for i := range batch.Bufs() {
			b := &batch.Bufs()[i]
			if b.Offload.GSO == frame.GSONone {
				frames++
				octets += b.Len()
				continue
			}
			segs, err := s.Segment(b)
			if err != nil {
				t.Fatalf("what was merged cannot be cut: %v", err)
			}
			for j := range segs {
				if p, _ := Parse(segs[j].Flat(nil)); !verifies(&p, segs[j].Flat(nil)) {
					t.Fatal("a segment does not verify")
				}
				octets += segs[j].Len()
			}
			frames += len(segs)
		}
		if frames != len(in) || octets != total {
			t.Fatalf("%d frames, %d bytes in; %d, %d out", len(in), total, frames, octets)
		}
	})
}

// verifies verifies TCP's or UDP's checksum and nothing else.
func verifies(p *Packet, f []byte) bool {
	return Fold(Sum(f[p.L4:p.End], p.pseudoSum(f, p.End-p.L4))) == 0xffff
}
