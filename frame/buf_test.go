package frame

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestWire(t *testing.T) {
	for _, c := range []struct {
		name          string
		length        int
		frags         []int
		o             Offload
		frames, bytes uint64
		longest       int
	}{
		{name: "ordinary", length: 60, frames: 1, bytes: 60, longest: 60},
		{name: "unfinished checksum", length: 1514, o: Offload{NeedsCsum: true}, frames: 1, bytes: 1514, longest: 1514},
		{
			name: "one full segment", length: 54 + 1448, o: Offload{GSO: GSOTCPv4, HdrLen: 54, GSOSize: 1448},
			frames: 1, bytes: 54 + 1448, longest: 54 + 1448,
		},
		{
			name: "one byte more", length: 54 + 1449, o: Offload{GSO: GSOTCPv4, HdrLen: 54, GSOSize: 1448},
			frames: 2, bytes: 2*54 + 1449, longest: 54 + 1448,
		},
		{
			name: "less than a segment", length: 154, o: Offload{GSO: GSOUDP, HdrLen: 42, GSOSize: 1448},
			frames: 1, bytes: 154, longest: 154,
		},
		{
			name: "headers alone", length: 54, o: Offload{GSO: GSOTCPv6, HdrLen: 54, GSOSize: 1448},
			frames: 1, bytes: 54, longest: 54,
		},
		{
			name: "in parts", length: 54 + 1448, frags: []int{1448, 0, 1448, 2}, o: Offload{GSO: GSOTCPv4, HdrLen: 54, GSOSize: 1448},
			frames: 4, bytes: 4*54 + 3*1448 + 2, longest: 54 + 1448,
		},
		{
			name: "whole 64 KiB", length: MaxLen, o: Offload{GSO: GSOTCPv4, HdrLen: 62, GSOSize: 1},
			frames: MaxLen - 62, bytes: 63 * (MaxLen - 62), longest: 63,
		},
		// Metadata that contradicts itself must count one frame, not divide by zero.
		{name: "no size", length: 5000, o: Offload{GSO: GSOTCPv4, HdrLen: 54}, frames: 1, bytes: 5000, longest: 5000},
		{name: "headers longer than all", length: 40, o: Offload{GSO: GSOTCPv4, HdrLen: 54, GSOSize: 9}, frames: 1, bytes: 40, longest: 40},
		{name: "empty", length: 0, frames: 1, bytes: 0, longest: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b Buf
			b.Set(make([]byte, Headroom+c.length), Headroom)
			b.Offload = c.o
			for _, n := range c.frags {
				b.Frags = append(b.Frags, make([]byte, n))
			}
			if frames, bytes := b.Wire(); frames != c.frames || bytes != c.bytes {
				t.Errorf("Wire: %d frames, %d bytes; want %d, %d", frames, bytes, c.frames, c.bytes)
			}
			if n := b.MaxWireLen(); n != c.longest {
				t.Errorf("MaxWireLen: %d, want %d", n, c.longest)
			}
		})
	}
}

// Wire's count is that of a loop which takes segment after segment.
func TestWireAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		var b Buf
		b.Set(make([]byte, rnd.IntN(9000)), 0)
		b.Offload = Offload{GSO: GSO(rnd.IntN(4)), HdrLen: uint16(rnd.IntN(200)), GSOSize: uint16(rnd.IntN(3000))}
		if rnd.IntN(2) == 0 {
			b.Frags = [][]byte{make([]byte, rnd.IntN(3000))}
		}
		frames, octets, longest := uint64(0), uint64(0), 0
		hdr, size := int(b.Offload.HdrLen), int(b.Offload.GSOSize)
		rest := b.Len() - hdr
		if b.Offload.GSO == GSONone || size == 0 || rest <= 0 {
			frames, octets, longest = 1, uint64(b.Len()), b.Len()
		} else {
			for rest > 0 {
				n := min(rest, size)
				rest -= n
				frames++
				octets += uint64(hdr + n)
				longest = max(longest, hdr+n)
			}
		}
		gotFrames, gotOctets := b.Wire()
		if gotFrames != frames || gotOctets != octets || b.MaxWireLen() != longest {
			t.Fatalf("%d bytes, %+v: %d frames, %d bytes, longest %d; want %d, %d, %d",
				b.Len(), b.Offload, gotFrames, gotOctets, b.MaxWireLen(), frames, octets, longest)
		}
	}
}

func TestBuf(t *testing.T) {
	mem := []byte("headroom0123456789")
	var b Buf
	b.Frags = [][]byte{{1}}
	b.Offload.NeedsCsum = true
	b.Set(mem, Headroom)
	b.VNI, b.Ingress = 42, 3
	if len(b.Frags) != 0 || b.Offload != (Offload{}) {
		t.Errorf("Set left %v, %+v", b.Frags, b.Offload)
	}
	if got := string(b.Head()); got != "0123456789" {
		t.Errorf("Head %q", got)
	}
	if got := string(b.Prepended(4)); got != "room0123456789" {
		t.Errorf("Prepended %q", got)
	}
	if flat := b.Flat(nil); &flat[0] != &mem[Headroom] {
		t.Error("Flat copied a frame in one piece")
	}

	b.Frags = append(b.Frags, []byte("abc"), nil, []byte("de"))
	dst := make([]byte, 3, 64)
	flat := b.Flat(dst)
	if string(flat) != "0123456789abcde" || b.Len() != len(flat) {
		t.Errorf("Flat %q, Len %d", flat, b.Len())
	}
	if &flat[0] != &dst[0] {
		t.Error("Flat did not use the memory it was given")
	}

	b.Offload = Offload{NeedsCsum: true, HdrLen: 5}
	c := b.Clone()
	clear(mem)
	if got := string(c.Head()); got != "0123456789abcde" || len(c.Frags) != 0 {
		t.Errorf("clone %q, %d Frags", got, len(c.Frags))
	}
	if c.Offload != b.Offload || c.VNI != 42 || c.Ingress != 3 {
		t.Errorf("clone's metadata: %+v", c)
	}
	copy(c.Prepended(Headroom), "VXLANhdr")
	if !bytes.Equal(c.Prepended(Headroom), []byte("VXLANhdr0123456789abcde")) {
		t.Error("clone has no headroom of its own")
	}
}

func TestBatch(t *testing.T) {
	var b Batch
	for round := range 2 {
		b.Reset()
		if b.Len() != 0 || len(b.Bufs()) != 0 || b.Full() {
			t.Fatalf("round %d: not empty after Reset", round)
		}
		for i := range BatchSize {
			if b.Full() {
				t.Fatalf("full at %d", i)
			}
			n := b.Next()
			n.Set([]byte{byte(i)}, 0)
			if b.Len() != i+1 || n != &b.Bufs()[i] {
				t.Fatalf("frame %d: Len %d", i, b.Len())
			}
		}
		if !b.Full() || b.Next() != nil || b.Len() != BatchSize {
			t.Fatal("more than BatchSize frames")
		}
		for i := range b.Bufs() {
			if b.Bufs()[i].Head()[0] != byte(i) {
				t.Fatalf("frame %d is out of order", i)
			}
		}
	}
}

// A Buf that once had Frags must not allocate for them again.
func TestBatchAllocs(t *testing.T) {
	var b Batch
	mem, frag := make([]byte, 100), make([]byte, 10)
	if n := testing.AllocsPerRun(20, func() {
		b.Reset()
		for !b.Full() {
			buf := b.Next()
			buf.Set(mem, Headroom)
			for range 44 {
				buf.Frags = append(buf.Frags, frag)
			}
			buf.Wire()
			buf.MaxWireLen()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
