package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"

	"weft/frame"
)

// stream gives n segments of size bytes that continue k.
func stream(k spec, n, size int) []spec {
	out := make([]spec, n)
	for i := range out {
		out[i] = k
		out[i].payload = bytes.Repeat([]byte{byte(i)}, size)
		out[i].seq += uint32(i * size)
		out[i].id += uint16(i)
	}
	return out
}

// coalesce runs frames through one batch and says what came out: for each Buf
// the number of input frames in it.
func coalesce(frames [][]byte) (*frame.Batch, []int) {
	batch, c := new(frame.Batch), new(Coalescer)
	c.Begin(batch)
	for _, f := range frames {
		c.Add(withHeadroom(f), frame.Headroom, 42, 3)
	}
	c.Finish()
	var counts []int
	for i := range batch.Bufs() {
		counts = append(counts, 1+len(batch.Bufs()[i].Frags))
	}
	return batch, counts
}

func TestCoalesceRules(t *testing.T) {
	at := func(i int, change func(k *spec)) func([]spec) []spec {
		return func(ks []spec) []spec { change(&ks[i]); return ks }
	}
	raw := func(i int, change func(f []byte)) func([][]byte) [][]byte {
		return func(fs [][]byte) [][]byte { change(fs[i]); return fs }
	}
	insert := func(i int, k spec) func([]spec) []spec {
		return func(ks []spec) []spec { return append(append(append([]spec(nil), ks[:i]...), k), ks[i:]...) }
	}
	base := tcp4(nil)
	udp := base
	udp.udp = true
	datagrams := func([]spec) []spec { return stream(udp, 5, 100) }
	short := bytes.Repeat([]byte{1}, 60)
	long := bytes.Repeat([]byte{1}, 140)
	for _, c := range []struct {
		name  string
		specs func([]spec) []spec
		bytes func([][]byte) [][]byte
		want  []int
	}{
		{name: "five in a row", want: []int{5}},
		{name: "timestamps", specs: func([]spec) []spec { k := base; k.stamps = true; return stream(k, 5, 100) }, want: []int{5}},
		{name: "other timestamp", specs: func([]spec) []spec {
			k := base
			k.stamps = true
			ks := stream(k, 5, 100)
			ks[2].stamp++
			return ks
		}, want: []int{2, 1, 2}},
		{name: "IPv6", specs: func([]spec) []spec { k := base; k.v6 = true; return stream(k, 5, 100) }, want: []int{5}},
		{name: "tagged twice", specs: func([]spec) []spec {
			k := base
			k.tags = []layers.EthernetType{0x88a8, 0x8100}
			return stream(k, 5, 100)
		}, want: []int{5}},
		{name: "sequence number wraps", specs: func([]spec) []spec { k := base; k.seq = 0xffffff00; return stream(k, 5, 100) }, want: []int{5}},
		{name: "lost", specs: func(ks []spec) []spec { return append(ks[:2], ks[3:]...) }, want: []int{2, 2}},
		{name: "reordered", specs: func(ks []spec) []spec { ks[2], ks[3] = ks[3], ks[2]; return ks }, want: []int{2, 1, 1, 1}},
		{name: "repeated", specs: func(ks []spec) []spec { ks[2] = ks[1]; return ks }, want: []int{2, 1, 2}},
		{name: "PSH closes", specs: at(2, func(k *spec) { k.flags |= flagPSH }), want: []int{3, 2}},
		{name: "PSH on the first", specs: at(0, func(k *spec) { k.flags |= flagPSH }), want: []int{1, 4}},
		{name: "shorter closes", specs: at(4, func(k *spec) { k.payload = short }), want: []int{5}},
		{name: "shorter in between", specs: func(ks []spec) []spec {
			rest := ks[4]
			ks[3].payload, rest.seq = short, ks[3].seq+60
			return append(ks[:4], rest)
		}, want: []int{4, 1}},
		{name: "longer starts anew", specs: at(4, func(k *spec) { k.payload = long }), want: []int{4, 1}},
		{name: "FIN", specs: at(2, func(k *spec) { k.flags |= flagFIN }), want: []int{2, 1, 2}},
		{name: "SYN", specs: at(2, func(k *spec) { k.flags |= 2 }), want: []int{2, 1, 2}},
		{name: "URG", specs: at(2, func(k *spec) { k.flags |= 32 }), want: []int{2, 1, 2}},
		{name: "CWR", specs: at(2, func(k *spec) { k.flags |= flagCWR }), want: []int{2, 1, 2}},
		{name: "ECE", specs: at(2, func(k *spec) { k.flags |= 64 }), want: []int{2, 1, 2}},
		{name: "no ACK", specs: at(2, func(k *spec) { k.flags = 0 }), want: []int{2, 1, 2}},
		{name: "other acknowledgement", specs: at(2, func(k *spec) { k.ack++ }), want: []int{2, 1, 2}},
		{name: "other window", specs: at(2, func(k *spec) { k.window++ }), want: []int{2, 1, 2}},
		{name: "other options", specs: at(2, func(k *spec) { k.stamps = true }), want: []int{2, 1, 2}},
		{name: "other TTL", specs: at(2, func(k *spec) { k.ttl-- }), want: []int{2, 1, 2}},
		{name: "other TOS", specs: at(2, func(k *spec) { k.tos = 3 }), want: []int{2, 1, 2}},
		{name: "other DF", specs: at(2, func(k *spec) { k.df = false }), want: []int{2, 1, 2}},
		{name: "IPv4 options", specs: at(2, func(k *spec) { k.options = 4 }), want: []int{2, 1, 2}},
		{name: "id jumps with DF", specs: at(2, func(k *spec) { k.id = 9999 }), want: []int{5}},
		{name: "id jumps without DF", specs: func(ks []spec) []spec {
			for i := range ks {
				ks[i].df = false
			}
			ks[2].id = 9999
			return ks
		}, want: []int{2, 1, 2}},
		{name: "pure ACK between", specs: insert(2, base), want: []int{2, 1, 3}},
		{name: "other port between", specs: insert(2, func() spec { k := base; k.sport++; k.payload = short; return k }()), want: []int{5, 1}},
		{name: "other host between", specs: insert(2, func() spec { k := base; k.host++; k.payload = short; return k }()), want: []int{5, 1}},
		{name: "UDP between", specs: insert(2, func() spec { k := base; k.udp = true; k.payload = short; return k }()), want: []int{5, 1}},
		{name: "UDP", specs: datagrams, want: []int{5}},
		{name: "UDP over IPv6", specs: func([]spec) []spec { k := udp; k.v6 = true; return stream(k, 5, 100) }, want: []int{5}},
		{name: "UDP, TCP between", specs: func([]spec) []spec { return insert(2, base)(datagrams(nil)) }, want: []int{5, 1}},
		{name: "UDP, other port between", specs: func([]spec) []spec {
			k := udp
			k.sport++
			return insert(2, k)(datagrams(nil))
		}, want: []int{5, 1}},
		{name: "UDP, shorter closes", specs: func([]spec) []spec {
			ks := datagrams(nil)
			ks[2].payload = short
			return ks
		}, want: []int{3, 2}},
		{name: "UDP, longer starts anew", specs: func([]spec) []spec {
			ks := datagrams(nil)
			ks[2].payload = long
			return ks
		}, want: []int{2, 2, 1}},
		{name: "UDP, empty", specs: func([]spec) []spec {
			ks := datagrams(nil)
			ks[2].payload = nil
			return ks
		}, want: []int{2, 1, 2}},
		{name: "UDP, other TTL", specs: func([]spec) []spec { ks := datagrams(nil); ks[2].ttl--; return ks }, want: []int{2, 1, 2}},
		{name: "UDP, id jumps without DF", specs: func([]spec) []spec {
			ks := datagrams(nil)
			for i := range ks {
				ks[i].df = false
			}
			ks[2].id = 9999
			return ks
		}, want: []int{2, 1, 2}},
		{name: "UDP, no checksum", specs: datagrams, bytes: raw(2, func(f []byte) { f[40], f[41] = 0, 0 }), want: []int{2, 1, 2}},
		{name: "UDP, no checksum on the first", specs: datagrams, bytes: raw(0, func(f []byte) { f[40], f[41] = 0, 0 }), want: []int{1, 4}},
		{name: "UDP, damaged", specs: datagrams, bytes: raw(2, func(f []byte) { f[60] ^= 1 }), want: []int{2, 1, 2}},
		{name: "UDP, length of its own", specs: datagrams, bytes: raw(2, func(f []byte) {
			// Still with a good checksum: the length counts twice.
			f[39]--
			binary.BigEndian.PutUint16(f[40:], binary.BigEndian.Uint16(f[40:])+1)
		}), want: []int{2, 1, 2}},
		{name: "UDP, unfinished", specs: datagrams, bytes: raw(2, func(f []byte) {
			binary.BigEndian.PutUint16(f[40:], naiveSum(udp.pseudoHeader(f)))
		}), want: []int{2, 1, 2}},
		{name: "UDP, fragment", specs: datagrams, bytes: raw(2, func(f []byte) { f[20] |= 0x20 }), want: []int{2, 1, 2}},
		{name: "UDP, padded", specs: datagrams, bytes: func(fs [][]byte) [][]byte { fs[2] = append(fs[2], 0); return fs }, want: []int{2, 1, 2}},
		{name: "damaged first", bytes: raw(0, func(f []byte) { f[60] ^= 1 }), want: []int{1, 4}},
		{name: "damaged later", bytes: raw(2, func(f []byte) { f[60] ^= 1 }), want: []int{2, 1, 2}},
		{name: "damaged IPv4 checksum", bytes: raw(2, func(f []byte) { f[24] ^= 1 }), want: []int{2, 1, 2}},
		{name: "damaged first IPv4 checksum", bytes: raw(0, func(f []byte) { f[24] ^= 1 }), want: []int{1, 4}},
		{name: "unfinished", bytes: raw(2, func(f []byte) {
			binary.BigEndian.PutUint16(f[50:], naiveSum(base.pseudoHeader(f)))
		}), want: []int{2, 1, 2}},
		{name: "fragment", bytes: raw(2, func(f []byte) { f[20] |= 0x20 }), want: []int{2, 1, 2}},
		{name: "padded", bytes: func(fs [][]byte) [][]byte { fs[2] = append(fs[2], 0); return fs }, want: []int{2, 1, 2}},
		// The frame of another flow leaves a hole in the sequence of its own.
		{name: "other source MAC", bytes: raw(2, func(f []byte) { f[11]++ }), want: []int{2, 1, 2}},
		{name: "other destination MAC", bytes: raw(2, func(f []byte) { f[5]++ }), want: []int{2, 1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs := stream(base, 5, 100)
			if c.specs != nil {
				specs = c.specs(specs)
			}
			var frames [][]byte
			for _, k := range specs {
				frames = append(frames, k.build(t))
			}
			if c.bytes != nil {
				frames = c.bytes(frames)
			}
			_, got := coalesce(frames)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("frames in each Buf: want -, got +:\n%s", d)
			}
		})
	}
}

func TestCoalesceKeepsNetworksApart(t *testing.T) {
	batch, c := new(frame.Batch), new(Coalescer)
	c.Begin(batch)
	for _, k := range stream(tcp4(nil), 4, 100) {
		f := k.build(t)
		for _, at := range []struct {
			vni     frame.VNI
			ingress frame.PortID
		}{{1, 1}, {2, 1}, {1, 2}} {
			c.Add(withHeadroom(f), frame.Headroom, at.vni, at.ingress)
		}
	}
	c.Finish()
	if batch.Len() != 3 {
		t.Fatalf("%d Bufs, want 3", batch.Len())
	}
	for i, b := range batch.Bufs() {
		if len(b.Frags) != 3 || (b.VNI == 2) != (i == 1) || (b.Ingress == 2) != (i == 2) {
			t.Errorf("Buf %d: VNI %d from %d, %d Frags", i, b.VNI, b.Ingress, len(b.Frags))
		}
	}
}

func TestCoalesceLimits(t *testing.T) {
	var frames [][]byte
	for _, k := range stream(tcp4(nil), 60, 1448) {
		frames = append(frames, k.build(t))
	}
	batch, counts := coalesce(frames)
	// 40 + 45*1448 = 65,200 bytes; one more would be past 65,535.
	if d := cmp.Diff([]int{45, 15}, counts); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
	if n := batch.Bufs()[0].Len(); n != 14+40+45*1448 {
		t.Errorf("superframe of %d bytes", n)
	}
	frames = nil
	k := tcp4(nil)
	k.udp = true
	for _, k := range stream(k, 100, 18) {
		frames = append(frames, k.build(t))
	}
	if _, counts = coalesce(frames); !cmp.Equal([]int{64, 36}, counts) {
		t.Errorf("a hundred datagrams: %v", counts)
	}
}

// More flows than may be open: the first is closed for the ninth, none is lost.
func TestCoalesceManyFlows(t *testing.T) {
	var frames [][]byte
	for i := range 3 {
		for flow := range 9 {
			k := tcp4(nil)
			k.sport += uint16(flow)
			frames = append(frames, stream(k, 3, 100)[i].build(t))
		}
	}
	batch, counts := coalesce(frames)
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 27 || batch.Len() == 9 || batch.Len() > 27 {
		t.Errorf("%d frames in %d Bufs", total, batch.Len())
	}
}

// A frame that nothing was merged into stays as it was received.
func TestCoalesceSingletons(t *testing.T) {
	k := tcp4(bytesOf(newRand(1), 100))
	f := k.build(t)
	f[70] ^= 0xff
	batch, c := new(frame.Batch), new(Coalescer)
	c.Begin(batch)
	b := c.Add(withHeadroom(f), frame.Headroom, 7, 8)
	if b == nil || b != &batch.Bufs()[0] {
		t.Fatal("Add gave no Buf of the batch")
	}
	c.Finish()
	same(t, f, b.Flat(nil), "frame")
	if b.Offload != (frame.Offload{}) || b.VNI != 7 || b.Ingress != 8 {
		t.Errorf("metadata %+v", b)
	}
}

// Segment(x), coalesced, is x again, metadata included.
func TestCoalesceUndoesSegment(t *testing.T) {
	s := NewSegmenter()
	for seed := range uint64(300) {
		rnd := newRand(seed)
		k := randomSpec(rnd)
		k.flags = flagACK | uint8(rnd.IntN(2))*flagPSH
		size := 600 + rnd.IntN(900)
		k.payload = bytesOf(rnd, size+1+rnd.IntN(30000)) // at most maxDatagrams pieces
		x := k.super(t, size)
		segs, err := s.Segment(x)
		noError(t, err)
		var frames [][]byte
		chance := false // a checksum that happens to look unfinished
		for i := range segs {
			f := append([]byte(nil), segs[i].Flat(nil)...)
			chance = chance || binary.BigEndian.Uint16(f[k.csum():]) == naiveSum(k.pseudoHeader(f))
			frames = append(frames, f)
		}
		if chance {
			continue
		}
		batch, _ := coalesce(frames)
		if batch.Len() != 1 {
			t.Fatalf("seed %d: %d Bufs of %d segments, want 1", seed, batch.Len(), len(segs))
		}
		got := &batch.Bufs()[0]
		if d := cmp.Diff(x.Offload, got.Offload); d != "" {
			t.Fatalf("seed %d: Offload, want -, got +:\n%s", seed, d)
		}
		same(t, x.Head(), got.Flat(nil), "seed %d", seed)
	}
}

// traffic is a random mix of flows with everything that happens to them.
type traffic struct {
	rnd   *rand.Rand
	flows []spec
}

func newTraffic(rnd *rand.Rand) *traffic {
	tr := &traffic{rnd: rnd}
	for i := range 1 + rnd.IntN(11) {
		k := randomSpec(rnd)
		// The MAC address tells the flows apart in the comparison; some
		// flows differ in nothing else.
		k.host, k.udp, k.flags = byte(i), rnd.IntN(3) == 0, flagACK
		tr.flows = append(tr.flows, k)
	}
	return tr
}

func (tr *traffic) next(tb testing.TB) []byte {
	rnd := tr.rnd
	k := &tr.flows[rnd.IntN(len(tr.flows))]
	now := *k
	size := 100
	if rnd.IntN(10) == 0 {
		size = 1 + rnd.IntN(200)
	}
	step := uint32(size)
	switch rnd.IntN(40) {
	case 0:
		k.seq += 100 // lost
		k.id++
		now.seq, now.id = k.seq, k.id
	case 1:
		step = 0 // to be repeated
	case 2:
		now.seq -= 100 // late
		step = 0
	case 3:
		now.flags |= flagPSH
	case 4:
		now.flags |= uint8(1 << rnd.IntN(8))
	case 5:
		size, step = 0, 0
	case 6:
		now.ttl++
	case 7:
		k.ack++
		now.ack = k.ack
	case 8:
		now.stamps = !now.stamps
	}
	k.seq += step
	k.id++
	now.payload = bytesOf(rnd, size)
	f := now.build(tb)
	switch rnd.IntN(40) {
	case 0:
		// Damaged, but neither in what tells flows apart nor in the data
		// offset, without which it is no TCP.
		at := []int{now.l3() + 1, now.l4() + 4 + rnd.IntN(4), now.hdrLen() - 2, now.hdrLen() - 1}
		if len(now.payload) > 0 {
			at = append(at, now.hdrLen()+rnd.IntN(len(now.payload)))
		}
		f[at[rnd.IntN(len(at))]] ^= byte(1 << rnd.IntN(8))
	case 1:
		if !now.v6 {
			f[now.l3()+6] |= 0x20 // a fragment
		}
	case 2:
		f = append(f, make([]byte, 1+rnd.IntN(5))...) // padded
	case 3:
		f = f[:14+rnd.IntN(len(f)-14)] // cut off, so no longer of the flow
		f[11] = 255
	}
	return f
}

// withoutID clears the id, and with it the checksum, of an IPv4 packet that
// says "don't fragment", where it has no meaning (RFC 6864 section 4.1).
func withoutID(f []byte) []byte {
	f = append([]byte(nil), f...)
	var p Packet
	if p.locate(f) != knownL2 && !p.IPv6 && f[p.L3+6]&0x40 != 0 {
		clear(f[p.L3+4 : p.L3+6])
		clear(f[p.L3+10 : p.L3+12])
	}
	return f
}

// Whatever is merged comes out of segmentation as it was, and in its order.
func TestSegmentUndoesCoalesce(t *testing.T) {
	s := NewSegmenter()
	merged, total := 0, 0
	for seed := range uint64(400) {
		rnd := newRand(seed)
		tr := newTraffic(rnd)
		want, got := map[string][][]byte{}, map[string][][]byte{}
		name := func(vni frame.VNI, ingress frame.PortID, f []byte) string {
			return fmt.Sprint(vni, ingress, string(f[6:12]))
		}
		batch, c := new(frame.Batch), new(Coalescer)
		c.Begin(batch)
		drain := func() {
			c.Finish()
			for i := range batch.Bufs() {
				b := &batch.Bufs()[i]
				key := name(b.VNI, b.Ingress, b.Head())
				if b.Offload.GSO == frame.GSONone {
					got[key] = append(got[key], b.Flat(nil))
					continue
				}
				segs, err := s.Segment(b)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				merged += len(segs) - 1
				for j := range segs {
					got[key] = append(got[key], append([]byte(nil), segs[j].Flat(nil)...))
				}
			}
			batch.Reset()
			c.Begin(batch)
		}
		for range 500 {
			f := tr.next(t)
			vni, ingress := frame.VNI(1+rnd.IntN(8)/7), frame.PortID(1+rnd.IntN(8)/7)
			key := name(vni, ingress, f)
			want[key] = append(want[key], append([]byte(nil), f...))
			if batch.Full() {
				drain()
			}
			c.Add(withHeadroom(f), frame.Headroom, vni, ingress)
			total++
		}
		drain()
		for key := range want {
			if len(want[key]) != len(got[key]) {
				t.Fatalf("seed %d, flow %s: %d frames, want %d", seed, key, len(got[key]), len(want[key]))
			}
			for i := range want[key] {
				same(t, withoutID(want[key][i]), withoutID(got[key][i]), "seed %d, flow %s, frame %d", seed, key, i)
			}
		}
	}
	t.Logf("%d of %d frames were merged", merged, total)
	if merged < total/6 {
		t.Errorf("only %d of %d frames were merged: the test tests little", merged, total)
	}
}

func TestCoalesceAllocs(t *testing.T) {
	batch, c := new(frame.Batch), new(Coalescer)
	mems := bulk(t, 45, 1448)
	run := func() {
		batch.Reset()
		c.Begin(batch)
		for _, m := range mems {
			c.Add(m, frame.Headroom, 42, 3)
		}
		c.Finish()
		restore(batch, mems)
	}
	if n := testing.AllocsPerRun(50, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if batch.Len() != 1 {
		t.Fatalf("%d Bufs, want 1", batch.Len())
	}
}

// bulk gives n segments of one flow in memory with headroom.
func bulk(tb testing.TB, n, size int) [][]byte {
	k := tcp4(nil)
	k.stamps = true
	var mems [][]byte
	for _, k := range stream(k, n, size) {
		mems = append(mems, withHeadroom(k.build(tb)))
	}
	return mems
}

// restore makes the head of the superframe the segment that it was, with its
// own length and checksums, to be merged once more.
func restore(batch *frame.Batch, mems [][]byte) {
	head := batch.Bufs()[0].Head()
	binary.BigEndian.PutUint16(head[16:], uint16(len(head)-14))
	head[24], head[25], head[50], head[51] = 0, 0, 0, 0
	binary.BigEndian.PutUint16(head[24:], ^Fold(Sum(head[14:34], 0)))
	binary.BigEndian.PutUint16(head[50:], ^Fold(Sum(head[34:], PseudoSum(head[26:30], head[30:34], 6, len(head)-34))))
}
