package offload

import (
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
)

// unfinished gives the frame as a kernel VXLAN device hands it over.
func (k spec) unfinished(tb testing.TB) []byte {
	tb.Helper()
	f := k.build(tb)
	binary.BigEndian.PutUint16(f[k.csum():], naiveSum(k.pseudoHeader(f)))
	return f
}

func TestAdopt(t *testing.T) {
	const maxFrame = 1464 // an MTU of 1450 and an Ethernet header
	csum := func(start, offset uint16) frame.Offload {
		return frame.Offload{NeedsCsum: true, CsumStart: start, CsumOffset: offset}
	}
	super := func(o frame.Offload, gso frame.GSO, hdrLen, size uint16) frame.Offload {
		o.GSO, o.HdrLen, o.GSOSize, o.Guessed = gso, hdrLen, size, gso != frame.GSOUDP
		return o
	}
	ecn := super(csum(34, 16), frame.GSOTCPv4, 54, maxFrame-54)
	ecn.ECN = true
	for _, c := range []struct {
		name     string
		length   int
		hint     int
		change   func(k *spec)
		finished bool
		spoil    func(f []byte) []byte
		want     frame.Offload
	}{
		{name: "finished", length: 1000, finished: true},
		{name: "finished superframe", length: 20000, finished: true},
		{name: "SYN", length: 0, change: func(k *spec) { k.flags = 2 }, want: csum(34, 16)},
		{name: "TCP", length: 1000, want: super(csum(34, 16), frame.GSOTCPv4, 54, 1000)},
		{name: "TCP that just fits", length: maxFrame - 54, want: super(csum(34, 16), frame.GSOTCPv4, 54, maxFrame-54)},
		{name: "TCP superframe", length: maxFrame - 54 + 1, want: super(csum(34, 16), frame.GSOTCPv4, 54, maxFrame-54)},
		{name: "TCP, timestamps", length: 60000, change: func(k *spec) { k.stamps = true }, want: super(csum(34, 16), frame.GSOTCPv4, 66, maxFrame-66)},
		{name: "TCP, hint of no meaning", length: 1000, hint: 500, want: super(csum(34, 16), frame.GSOTCPv4, 54, 1000)},
		{name: "TCP, CWR", length: 20000, change: func(k *spec) { k.flags |= flagCWR }, want: ecn},
		{name: "TCPv6", length: 20000, change: func(k *spec) { k.v6 = true }, want: super(csum(54, 16), frame.GSOTCPv6, 74, maxFrame-74)},
		{
			name: "TCPv6, extension header, tag", length: 20000,
			change: func(k *spec) { k.v6, k.options, k.tags = true, 8, []layers.EthernetType{0x8100} },
			want:   super(csum(66, 16), frame.GSOTCPv6, 86, maxFrame-86),
		},
		{name: "UDP", length: 1000, change: func(k *spec) { k.udp = true }, want: csum(34, 6)},
		{name: "UDP, long, no hint", length: 8000, change: func(k *spec) { k.udp = true }, want: csum(34, 6)},
		{name: "UDP superframe", length: 8000, hint: 1200, change: func(k *spec) { k.udp = true }, want: super(csum(34, 6), frame.GSOUDP, 42, 1200)},
		{name: "UDP, one segment", length: 1200, hint: 1200, change: func(k *spec) { k.udp = true }, want: csum(34, 6)},
		{name: "UDPv6 superframe", length: 8000, hint: 1200, change: func(k *spec) { k.udp, k.v6 = true, true }, want: super(csum(54, 6), frame.GSOUDP, 62, 1200)},
		{name: "UDP, a hint that no kernel gives", length: 8000, hint: 1, change: func(k *spec) { k.udp = true }, want: csum(34, 6)},
		{name: "UDP without checksum", length: 1000, change: func(k *spec) { k.udp = true }, spoil: func(f []byte) []byte {
			f[40], f[41] = 0, 0
			return f
		}},
		{name: "fragment", length: 1000, spoil: func(f []byte) []byte { f[20] |= 0x20; return f }},
		{name: "no IP", length: 1000, spoil: func(f []byte) []byte { f[12] = 9; return f }},
		{name: "cut off", length: 1000, spoil: func(f []byte) []byte { return f[:500] }},
		{name: "data behind the packet", length: 1000, spoil: func(f []byte) []byte { return append(f, 0) }},
		{name: "padded", length: 0, spoil: func(f []byte) []byte { return append(f, 0, 0, 0, 0, 0, 0) }, want: csum(34, 16)},
		{name: "padded, with payload", length: 1, spoil: func(f []byte) []byte { return append(f, 0, 0, 0, 0, 0) }, want: csum(34, 16)},
		{name: "padded with rubbish", length: 0, spoil: func(f []byte) []byte { return append(f, 0, 0, 1, 0, 0, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := tcp4(bytesOf(newRand(1), c.length))
			if c.change != nil {
				c.change(&k)
			}
			whole := k.build(t)
			f := k.unfinished(t)
			if c.finished {
				f = whole
			}
			if c.spoil != nil {
				f = c.spoil(f)
			}
			b := bufOf(f)
			Adopt(b, c.hint, maxFrame)
			if b.Offload != c.want {
				t.Fatalf("%+v, want %+v", b.Offload, c.want)
			}
			same(t, f, b.Head(), "Adopt wrote")
			if c.want.GSO != frame.GSONone {
				segs, err := NewSegmenter().Segment(b)
				noError(t, err)
				for i, want := range cutNaively(k, f, int(b.Offload.GSOSize), b.Offload.ECN) {
					same(t, want, segs[i].Flat(nil), "segment %d", i)
				}
				return
			}
			if c.want.NeedsCsum {
				FinishChecksum(b)
				same(t, whole, b.Head()[:len(whole)], "finished")
			}
		})
	}
}

// No MTU leaves room for a segment: the superframe is not one to be cut, and
// is too big for whoever it is for.
func TestAdoptWithoutRoom(t *testing.T) {
	b := bufOf(tcp4(make([]byte, 100)).unfinished(t))
	for _, maxFrame := range []int{-1, 0, 54} {
		Adopt(b, 0, maxFrame)
		if b.Offload.GSO != frame.GSONone || !b.Offload.NeedsCsum {
			t.Errorf("maxFrame %d: %+v", maxFrame, b.Offload)
		}
	}
}

func TestAdoptAllocs(t *testing.T) {
	b := bufOf(tcp4(make([]byte, 20000)).unfinished(t))
	if n := testing.AllocsPerRun(50, func() { Adopt(b, 0, 1464) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
