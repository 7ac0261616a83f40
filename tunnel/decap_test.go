package tunnel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"weft/frame"
	"weft/frame/offload"
)

// feed gives what r makes of datagrams, in batches.
func feed(r *Rx, ds ...datagram) []*frame.Buf {
	var got []*frame.Buf
	for len(ds) > 0 || r.next < r.count || len(r.rest) > 0 {
		if r.next == r.count {
			r.next, r.count = 0, copy(r.datagrams, ds)
			ds = ds[r.count:]
		}
		var b frame.Batch
		r.co.Begin(&b)
		r.fill(&b)
		r.co.Finish()
		for i := range b.Bufs() {
			got = append(got, b.Bufs()[i].Clone())
		}
	}
	return got
}

// from is a datagram of the hop.
func from(mem []byte, seg int) datagram {
	return datagram{mem: mem, n: len(mem), seg: seg, from: peerAddr}
}

// dropsOf are the drops of hop and VTEP together.
func dropsOf(v *VTEP, h *Hop) map[string]uint64 {
	s := v.Stats()
	s.Add(h.Stats())
	return s.DropMap()
}

func TestDecapsulate(t *testing.T) {
	a, b, c := plain(100, 1), plain(100, 2), plain(50, 3)
	train := slices.Concat(packet(a), packet(b), packet(c))
	reserved := packet(a)
	reserved[7] = 1
	noFlag := packet(b)
	noFlag[0] = 0
	for _, k := range []struct {
		name   string
		strict bool
		in     datagram
		want   [][]byte
		drops  map[string]uint64
	}{
		{name: "one", in: from(packet(a), 0), want: [][]byte{a}},
		{name: "one with a segment size", in: from(packet(a), 108), want: [][]byte{a}},
		{name: "one below the segment size", in: from(packet(a), 1400), want: [][]byte{a}},
		{name: "train", in: from(train, 108), want: [][]byte{a, b, c}},
		{name: "train with a bad packet", in: from(slices.Concat(packet(a), noFlag, packet(c)), 108), want: [][]byte{a, c}, drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "train that ends in half a header", in: from(slices.Concat(packet(a), packet(b)[:5]), 108), want: [][]byte{a}, drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "shortest frame", in: from(packet(a[:14]), 0), want: [][]byte{a[:14]}},
		{name: "too short", in: from(packet(a[:13]), 0), drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "header alone", in: from(packet(nil), 0), drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "empty", in: from(nil, 0), drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "no flag", in: from(noFlag, 0), drops: map[string]uint64{"bad_vxlan_header": 1}},
		{name: "reserved bits", in: from(reserved, 0), want: [][]byte{a}},
		{name: "reserved bits, strict", strict: true, in: from(reserved, 0), drops: map[string]uint64{"reserved_bits": 1}},
		{name: "strict", strict: true, in: from(train, 108), want: [][]byte{a, b, c}},
		{name: "unknown VTEP", in: datagram{mem: train, n: len(train), seg: 108, from: netip.MustParseAddr("10.99.0.3")}, drops: map[string]uint64{"unknown_vtep": 3}},
		{name: "unknown VTEP, empty", in: datagram{from: netip.MustParseAddr("10.99.0.3")}, drops: map[string]uint64{"unknown_vtep": 1}},
		{name: "truncated", in: datagram{mem: train, n: len(train), seg: 108, from: peerAddr, truncated: true}, drops: map[string]uint64{"malformed": 3}},
	} {
		t.Run(k.name, func(t *testing.T) {
			v, h := deafVTEP(t, Config{Strict: k.strict})
			got := feed(newRx(v), k.in)
			for i, b := range got {
				if i < len(k.want) && !bytes.Equal(b.Head(), k.want[i]) {
					t.Errorf("frame %d is %x, want %x", i, b.Head(), k.want[i])
				}
				if b.VNI != 42 || b.Ingress != 7 || b.Offload != (frame.Offload{}) {
					t.Errorf("frame %d: VNI %d, ingress %d, %+v", i, b.VNI, b.Ingress, b.Offload)
				}
			}
			if len(got) != len(k.want) {
				t.Errorf("%d frames, want %d", len(got), len(k.want))
			}
			if drops := dropsOf(v, h); !maps.Equal(drops, k.drops) {
				t.Errorf("drops %v, want %v", drops, k.drops)
			}
		})
	}
}

// A train may hold more frames than a batch has room for.
func TestDecapsulateLongTrain(t *testing.T) {
	v, h := deafVTEP(t, Config{})
	var mem []byte
	const n = 3*frame.BatchSize + 5
	for i := range n {
		mem = append(mem, packet(plain(60, byte(i)))...)
	}
	got := feed(newRx(v), from(mem, 68), from(packet(plain(60, 99)), 0))
	if len(got) != n+1 || len(dropsOf(v, h)) != 0 {
		t.Fatalf("%d frames and drops %v, want %d", len(got), dropsOf(v, h), n+1)
	}
	for i, b := range got[:n] {
		if b.Head()[14] != byte(i) {
			t.Fatalf("frame %d is the one with %d", i, b.Head()[14])
		}
	}
}

// unfinished gives the frame as a kernel VXLAN device on the same machine hands
// it over: its checksum field holds the pseudo-header's sum.
func (k spec) unfinished(tb testing.TB) []byte {
	tb.Helper()
	f := k.build(tb)
	ip := f[k.l3():]
	src, dst := ip[12:16], ip[16:20]
	if k.v6 {
		src, dst = ip[8:24], ip[24:40]
	}
	proto, at := 17, 6
	if k.tcp {
		proto, at = 6, 16
	}
	pseudo := slices.Concat(src, dst, []byte{0, byte(proto)}, binary.BigEndian.AppendUint16(nil, uint16(len(f)-k.l4())))
	binary.BigEndian.PutUint16(f[k.l4()+at:], onesSum(pseudo))
	return f
}

// What looks like a train by its segment size is a superframe when its first
// packet says that it is longer than a segment.
func TestDecapsulateSuperframes(t *testing.T) {
	payload := bytes.Repeat([]byte("superframe"), 1000)
	for _, tags := range []int{0, 1, 2} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("tags=%d,v6=%t", tags, v6), func(t *testing.T) {
				k := spec{tags: tags, v6: v6, port: 1000, payload: payload}
				v, h := deafVTEP(t, Config{})
				r := newRx(v)

				f := k.unfinished(t)
				got := feed(r, from(packet(f), 1200))
				if len(got) != 1 || !bytes.Equal(got[0].Head(), f) || got[0].Offload.GSO != frame.GSOUDP || got[0].Offload.GSOSize != 1200 {
					t.Fatalf("UDP: %d frames, %+v, drops %v", len(got), got[0].Offload, dropsOf(v, h))
				}

				k.tcp = true
				f = k.unfinished(t)
				got = feed(r, from(packet(f), 0))
				if len(got) != 1 || !bytes.Equal(got[0].Head(), f) || !got[0].Offload.Guessed {
					t.Fatalf("TCP: %d frames, %+v, drops %v", len(got), got[0].Offload, dropsOf(v, h))
				}
				if room := 1450 + frame.Ethernet(f).HeaderLen(); got[0].MaxWireLen() > room {
					t.Errorf("TCP: segments of %d bytes, want at most %d", got[0].MaxWireLen(), room)
				}

				// A train of frames whose IP packets fill their segments.
				var frames [][]byte
				var train []byte
				for i := range uint32(3) {
					f = spec{tags: tags, v6: v6, port: 1000, seq: i, payload: payload[:1200]}.build(t)
					frames, train = append(frames, f), append(train, packet(f)...)
				}
				got = feed(r, from(train, len(packet(f))))
				if len(got) != 1 || !slices.EqualFunc(asOnWire(t, got), frames, bytes.Equal) {
					t.Fatalf("train: %d superframes, drops %v", len(got), dropsOf(v, h))
				}
			})
		}
	}
}

// ECN is carried into every packet of a train, and decides on each.
func TestDecapsulateTrainECN(t *testing.T) {
	capable, not := spec{tos: ect0, payload: []byte("x")}, spec{payload: []byte("x")}
	d := from(slices.Concat(packet(capable.build(t)), packet(not.build(t)), packet(capable.build(t))), len(packet(not.build(t))))
	d.tos = ce
	v, h := deafVTEP(t, Config{})
	got := feed(newRx(v), d)
	if drops := dropsOf(v, h); len(got) != 2 || drops["ecn_not_capable"] != 1 {
		t.Fatalf("%d frames, drops %v", len(got), drops)
	}
	capable.tos = ce
	for _, b := range got {
		if !bytes.Equal(b.Head(), capable.build(t)) {
			t.Errorf("got %x, want %x", b.Head(), capable.build(t))
		}
	}
}

// FuzzDecapsulate: whatever a datagram holds, each packet becomes a frame or a
// counted drop, and a frame is one that the rest of weft can handle.
func FuzzDecapsulate(f *testing.F) {
	payload := bytes.Repeat([]byte("weft"), 700)
	for _, k := range []spec{{}, {tcp: true}, {v6: true}, {tags: 1, tcp: true}, {v6: true, tags: 2, tcp: true}} {
		k.payload = payload
		f.Add(packet(k.build(f)), uint16(0), uint8(0), false)
		f.Add(packet(k.unfinished(f)), uint16(1000), uint8(ce), true)
		k.payload = payload[:100]
		one := packet(k.build(f))
		f.Add(bytes.Repeat(one, 5), uint16(len(one)), uint8(ect1), false)
		next := k
		next.seq = 100
		f.Add(append(one, packet(next.build(f))...), uint16(len(one)), uint8(ce), false)
	}
	f.Add([]byte{}, uint16(0), uint8(0), false)
	f.Add([]byte{8, 0, 0, 0, 0, 0, 42, 0}, uint16(1), uint8(3), true)

	seg := offload.NewSegmenter()
	f.Fuzz(func(t *testing.T, mem []byte, size uint16, tos uint8, strict bool) {
		v, h := deafVTEP(t, Config{Strict: strict})
		r := &Rx{vtep: v, datagrams: make([]datagram, 1)}
		d := from(slices.Clone(mem), int(size))
		d.tos = tos
		got := feed(r, d)

		packets := 1
		if size > 0 && int(size) < len(mem) && innerLen(mem) <= int(size) {
			packets = (len(mem) + int(size) - 1) / int(size)
		}
		accounted := 0
		for _, n := range dropsOf(v, h) {
			accounted += int(n)
		}
		for _, b := range got {
			if b.Len() < frame.EthernetLen {
				t.Fatalf("a frame of %d bytes", b.Len())
			}
			if b.VNI > frame.MaxVNI || b.Ingress != 7 {
				t.Fatalf("VNI %d, ingress %d", b.VNI, b.Ingress)
			}
			wire, _ := b.Wire()
			if b.Offload.GSO != frame.GSONone {
				segs, err := seg.Segment(b)
				if err != nil || uint64(len(segs)) != wire {
					t.Fatalf("%+v: %d segments of %d, %v", b.Offload, len(segs), wire, err)
				}
			}
			if b.Offload.Guessed || packets == 1 {
				wire = 1 // what was one superframe already
			}
			accounted += int(wire)
		}
		if accounted != packets {
			t.Fatalf("%d packets, %d frames and drops: %v", packets, accounted, dropsOf(v, h))
		}
	})
}
