package offload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
)

// cutNaively is what Segment must do, one obvious step after the other.
func cutNaively(k spec, whole []byte, size int, ecn bool) [][]byte {
	var out [][]byte
	payload := whole[k.hdrLen():]
	for i := 0; i*size < len(payload) || i == 0; i++ {
		piece := payload[i*size : min(len(payload), (i+1)*size)]
		last := (i+1)*size >= len(payload)
		f := append(append([]byte(nil), whole[:k.hdrLen()]...), piece...)
		l3, l4 := k.l3(), k.l4()
		if k.v6 {
			binary.BigEndian.PutUint16(f[l3+4:], uint16(len(f)-l3-40))
		} else {
			binary.BigEndian.PutUint16(f[l3+2:], uint16(len(f)-l3))
			binary.BigEndian.PutUint16(f[l3+4:], binary.BigEndian.Uint16(whole[l3+4:])+uint16(i))
			f[l3+10], f[l3+11] = 0, 0
			binary.BigEndian.PutUint16(f[l3+10:], ^naiveSum(f[l3:l4]))
		}
		if k.udp {
			binary.BigEndian.PutUint16(f[l4+4:], uint16(len(f)-l4))
		} else {
			binary.BigEndian.PutUint32(f[l4+4:], binary.BigEndian.Uint32(whole[l4+4:])+uint32(i*size))
			if !last {
				f[l4+13] &^= 0x09
			}
			if ecn && i > 0 {
				f[l4+13] &^= 0x80
			}
		}
		f[k.csum()], f[k.csum()+1] = 0, 0
		c := ^naiveSum(append(k.pseudoHeader(f), f[l4:]...))
		if c == 0 && k.udp {
			c = 0xffff
		}
		binary.BigEndian.PutUint16(f[k.csum():], c)
		out = append(out, f)
	}
	return out
}

// randomSpec covers every shape of header that a superframe may have.
func randomSpec(rnd *rand.Rand) spec {
	k := spec{
		host: byte(rnd.IntN(250)), v6: rnd.IntN(2) == 0, udp: rnd.IntN(3) == 0, stamps: rnd.IntN(2) == 0,
		df: rnd.IntN(2) == 0, id: uint16(rnd.Uint32()), tos: uint8(rnd.Uint32()), ttl: uint8(rnd.Uint32()),
		sport: uint16(rnd.Uint32()), seq: rnd.Uint32(), ack: rnd.Uint32(), window: uint16(rnd.Uint32()),
		flags: flagACK | uint8(rnd.IntN(256))&(flagFIN|flagPSH|flagCWR|0x40),
	}
	k.tags = [][]layers.EthernetType{nil, nil, {0x8100}, {0x88a8, 0x8100}}[rnd.IntN(4)]
	if rnd.IntN(4) == 0 {
		k.options = 8 * (1 + rnd.IntN(3))
	}
	return k
}

func TestSegmentAgainstNaive(t *testing.T) {
	s := NewSegmenter()
	for seed := range uint64(600) {
		rnd := newRand(seed)
		k := randomSpec(rnd)
		n := rnd.IntN(9000)
		if rnd.IntN(20) == 0 {
			n = 65535 - (k.hdrLen() - k.l3())
		}
		k.payload = bytesOf(rnd, n)
		size := 48 + rnd.IntN(1500)
		b := k.super(t, size)
		b.Offload.ECN = !k.udp && rnd.IntN(2) == 0
		if rnd.IntN(3) == 0 {
			b = splitFrags(b, rnd.IntN(n+1), rnd)
		}
		whole := append([]byte(nil), b.Flat(nil)...)
		want := cutNaively(k, whole, size, b.Offload.ECN)
		got, err := s.Segment(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d segments, want %d", seed, len(got), len(want))
		}
		var bytesTotal uint64
		for i := range got {
			same(t, want[i], got[i].Flat(nil), "seed %d, segment %d of %d", seed, i, len(got))
			if got[i].VNI != b.VNI || got[i].Ingress != b.Ingress || got[i].Offload != (frame.Offload{}) {
				t.Fatalf("seed %d: segment %d: metadata %+v", seed, i, got[i].Offload)
			}
			if len(got[i].Prepended(frame.Headroom)) != len(got[i].Head())+frame.Headroom {
				t.Fatalf("seed %d: segment %d has no headroom", seed, i)
			}
			if len(b.Frags) == 0 && len(got[i].Frags) > 1 {
				t.Fatalf("seed %d: payload in %d pieces", seed, len(got[i].Frags))
			}
			bytesTotal += uint64(got[i].Len())
		}
		if frames, octets := b.Wire(); frames != uint64(len(got)) || octets != bytesTotal {
			t.Fatalf("seed %d: Wire says %d frames, %d bytes; Segment made %d, %d", seed, frames, octets, len(got), bytesTotal)
		}
		if !bytes.Equal(b.Flat(nil), whole) {
			t.Fatalf("seed %d: Segment wrote to the superframe", seed)
		}
	}
}

// The headers of one segment must survive headroom being written for the next,
// and the payload must be the superframe's own bytes.
func TestSegmentBorrows(t *testing.T) {
	k := tcp4(bytesOf(newRand(1), 4000))
	b := k.super(t, 1000)
	got, err := NewSegmenter().Segment(b)
	noError(t, err)
	want := cutNaively(k, b.Head(), 1000, false)
	for i := range got {
		clear(got[i].Prepended(frame.Headroom)[:frame.Headroom])
		for j, x := range []byte("headroom") {
			got[i].Prepended(frame.Headroom)[j] = x
		}
	}
	for i := range got {
		if !bytes.Equal(got[i].Flat(nil), want[i]) {
			t.Errorf("segment %d was overwritten by another's headroom", i)
		}
		if &got[i].Frags[0][0] != &b.Head()[k.hdrLen()+i*1000] {
			t.Errorf("segment %d: payload was copied", i)
		}
	}
}

// What gopacket makes of each piece is what Segment must make of the whole.
func TestSegmentGolden(t *testing.T) {
	rnd := newRand(4)
	for _, k := range []spec{
		{flags: flagACK | flagPSH},
		{flags: flagACK | flagFIN, stamps: true},
		{v6: true, flags: flagACK},
		{udp: true},
		{udp: true, v6: true},
		{tags: []layers.EthernetType{0x8100}, flags: flagACK},
		{options: 4, flags: flagACK},
		{v6: true, options: 16, flags: flagACK | flagPSH},
	} {
		t.Run(fmt.Sprintf("v6=%v udp=%v tags=%d options=%d flags=%#x", k.v6, k.udp, len(k.tags), k.options, k.flags), func(t *testing.T) {
			k.host, k.ttl, k.id, k.seq, k.sport = 9, 60, 0xfffe, 0xffffff00, 1234
			k.payload = bytesOf(rnd, 3500)
			got, err := NewSegmenter().Segment(k.super(t, 1200))
			noError(t, err)
			if len(got) != 3 {
				t.Fatalf("%d segments, want 3", len(got))
			}
			for i := range got {
				piece := k
				piece.payload = k.payload[i*1200 : min(3500, (i+1)*1200)]
				piece.id, piece.seq = k.id+uint16(i), k.seq+uint32(i*1200)
				if i < 2 {
					piece.flags &^= flagFIN | flagPSH
				}
				same(t, piece.build(t), got[i].Flat(nil), "segment %d", i)
			}
		})
	}
}

func TestSegmentRefuses(t *testing.T) {
	k := tcp4(make([]byte, 5000))
	for name, spoil := range map[string]func(b *frame.Buf){
		"no superframe":    func(b *frame.Buf) { b.Offload.GSO = frame.GSONone },
		"other protocol":   func(b *frame.Buf) { b.Offload.GSO = frame.GSOUDP },
		"other IP version": func(b *frame.Buf) { b.Offload.GSO = frame.GSOTCPv6 },
		"unknown kind":     func(b *frame.Buf) { b.Offload.GSO = 200 },
		"size 0":           func(b *frame.Buf) { b.Offload.GSOSize = 0 },
		"size 1":           func(b *frame.Buf) { b.Offload.GSOSize = 1 },
		"finished":         func(b *frame.Buf) { b.Offload.NeedsCsum = false },
		"HdrLen long":      func(b *frame.Buf) { b.Offload.HdrLen++ },
		"HdrLen short":     func(b *frame.Buf) { b.Offload.HdrLen-- },
		"CsumStart":        func(b *frame.Buf) { b.Offload.CsumStart++ },
		"CsumOffset":       func(b *frame.Buf) { b.Offload.CsumOffset = 6 },
		"IP length":        func(b *frame.Buf) { b.Head()[17]++ },
		"fragment":         func(b *frame.Buf) { b.Head()[20] = 0x20 },
		"no IP":            func(b *frame.Buf) { b.Head()[12] = 9 },
		"data offset":      func(b *frame.Buf) { b.Head()[46] = 0x40 },
		"cut off":          func(b *frame.Buf) { o := b.Offload; b.Set(b.Head()[:40], 0); b.Offload = o },
	} {
		b := k.super(t, 1000)
		if _, err := NewSegmenter().Segment(b); err != nil {
			t.Fatal(err)
		}
		spoil(b)
		if out, err := NewSegmenter().Segment(b); !errors.Is(err, ErrMalformed) || out != nil {
			t.Errorf("%s: %d segments, error %v", name, len(out), err)
		}
	}
}

// Metadata that takes a fragment's data for the payload: there is no TCP header
// to read.
func TestSegmentRefusesFragments(t *testing.T) {
	b := tcp4(make([]byte, 5)).super(t, 10)
	o := b.Offload
	b.Set(b.Head()[:36], 0)
	b.Head()[17], b.Head()[20] = 22, 0x20
	b.Offload = o
	b.Offload.HdrLen = b.Offload.CsumStart
	if out, err := NewSegmenter().Segment(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("%d segments, error %v", len(out), err)
	}
}

func TestSegmentRefusesEndlessHeaders(t *testing.T) {
	k := tcp4(make([]byte, 5000))
	k.v6 = true
	for options, ok := range map[int]bool{128: true, 256: false} {
		k.options = options
		if _, err := NewSegmenter().Segment(k.super(t, 1000)); (err == nil) != ok {
			t.Errorf("%d bytes of extension headers: %v", options, err)
		}
	}
}

func TestSegmentAllocs(t *testing.T) {
	s := NewSegmenter()
	rnd := newRand(5)
	k := tcp4(bytesOf(rnd, 60000))
	whole := k.super(t, 1448)
	parts := splitFrags(whole, 100, rnd)
	small := k.super(t, 64) // more segments than there is scratch at first
	for name, b := range map[string]*frame.Buf{"whole": whole, "in parts": parts, "many": small} {
		if n := testing.AllocsPerRun(50, func() {
			if _, err := s.Segment(b); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
