package offload

import (
	"testing"

	"github.com/google/gopacket/layers"
)

func TestFlowHashIsOfTheFlow(t *testing.T) {
	s := NewSegmenter()
	for seed := range uint64(200) {
		rnd := newRand(seed)
		k := randomSpec(rnd)
		k.payload = bytesOf(rnd, 5000)
		x := k.super(t, 1000)
		want := FlowHash(x.Head())
		segs, err := s.Segment(x)
		noError(t, err)
		for i := range segs {
			if got := FlowHash(segs[i].Head()); got != want {
				t.Fatalf("seed %d, segment %d: %#x, superframe %#x", seed, i, got, want)
			}
		}
	}
}

func TestFlowHashLooksAt(t *testing.T) {
	base := tcp4(make([]byte, 100))
	six := base
	six.v6 = true
	for name, c := range map[string]struct {
		k      spec
		spoil  func(f []byte)
		before func(f []byte)
		differ bool
	}{
		"source port":        {k: base, spoil: func(f []byte) { f[35]++ }, differ: true},
		"destination port":   {k: base, spoil: func(f []byte) { f[37]++ }, differ: true},
		"source":             {k: base, spoil: func(f []byte) { f[29]++ }, differ: true},
		"destination":        {k: base, spoil: func(f []byte) { f[33]++ }, differ: true},
		"protocol":           {k: base, spoil: func(f []byte) { f[23] = protoUDP }, differ: true},
		"other protocol":     {k: base, before: func(f []byte) { f[23] = 1 }, spoil: func(f []byte) { f[23] = 47 }, differ: true},
		"no port of ICMP":    {k: base, before: func(f []byte) { f[23] = 1 }, spoil: func(f []byte) { f[35]++ }},
		"sequence":           {k: base, spoil: func(f []byte) { f[41]++ }},
		"MAC under IP":       {k: base, spoil: func(f []byte) { f[11]++ }},
		"id, TTL":            {k: base, spoil: func(f []byte) { f[19]++; f[22]++ }},
		"port of a fragment": {k: base, before: func(f []byte) { f[20] = 0x20 }, spoil: func(f []byte) { f[35]++ }},
		"fragment, first and last": {
			k: base, before: func(f []byte) { f[20] = 0x20 },
			spoil: func(f []byte) { f[20], f[21] = 0, 9; f[23] = protoUDP },
		},
		"IPv6 source":      {k: six, spoil: func(f []byte) { f[37]++ }, differ: true},
		"IPv6 source net":  {k: six, spoil: func(f []byte) { f[25]++ }, differ: true},
		"IPv6 destination": {k: six, spoil: func(f []byte) { f[53]++ }, differ: true},
		"IPv6 port":        {k: six, spoil: func(f []byte) { f[55]++ }, differ: true},
		"IPv6 flow label":  {k: six, spoil: func(f []byte) { f[17]++ }},
		"ARP, MAC":         {k: base, before: func(f []byte) { f[13] = 6 }, spoil: func(f []byte) { f[11]++ }, differ: true},
		"ARP, EtherType":   {k: base, before: func(f []byte) { f[13] = 6 }, spoil: func(f []byte) { f[13]++ }, differ: true},
		"ARP, payload":     {k: base, before: func(f []byte) { f[13] = 6 }, spoil: func(f []byte) { f[30]++ }},
	} {
		f := c.k.build(t)
		if c.before != nil {
			c.before(f)
		}
		was := FlowHash(f)
		c.spoil(f)
		if differ := FlowHash(f) != was; differ != c.differ {
			t.Errorf("%s: hash differs: %v, want %v", name, differ, c.differ)
		}
	}
	tagged := base
	tagged.tags = []layers.EthernetType{0x88a8, 0x8100}
	if FlowHash(tagged.build(t)) != FlowHash(base.build(t)) {
		t.Error("tags change the hash")
	}
}

// Flows of neighbouring addresses and ports must spread over few queues and
// over many source ports: no bucket may hold twice its share.
func TestFlowHashSpreads(t *testing.T) {
	const perBucket = 256
	for _, v6 := range []bool{false, true} {
		k := tcp4(nil)
		k.v6 = v6
		f := k.build(t)
		for _, buckets := range []int{2, 3, 4, 16, 64} {
			for name, vary := range map[string]func(i int){
				"ports":      func(i int) { f[k.l4()], f[k.l4()+1] = byte(i>>8), byte(i) },
				"hosts":      func(i int) { f[k.l4()-2], f[k.l4()-1] = byte(i>>8), byte(i) },
				"even ports": func(i int) { f[k.l4()], f[k.l4()+1] = byte(i>>7), byte(i<<1) },
			} {
				f = k.build(t)
				low, high := make([]int, buckets), make([]int, buckets)
				for i := range perBucket * buckets {
					vary(i)
					h := FlowHash(f)
					low[int(h)%buckets]++
					high[uint64(h)*uint64(buckets)>>32]++
				}
				for i := range buckets {
					for _, n := range []int{low[i], high[i]} {
						if n > perBucket*3/2 || n < perBucket/2 {
							t.Errorf("v6 %v, %s: bucket %d of %d holds %d, want about %d", v6, name, i, buckets, n, perBucket)
						}
					}
				}
			}
		}
	}
}

func TestFlowHashAllocs(t *testing.T) {
	f := tcp4(make([]byte, 100)).build(t)
	if n := testing.AllocsPerRun(50, func() { FlowHash(f); Parse(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
