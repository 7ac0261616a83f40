package fib

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"

	"weft/frame"
)

// The benchmarks compare the table with the two maps that a Go program would
// otherwise use. All three map a Key to a PortID under the same conditions:
// stations spread over 64 ports, asked for in random order. The order is a
// permutation of the keys prepared in advance and read from front to back: its
// 8 bytes a lookup stream through the prefetcher and cost the same for all
// three, so that what is measured is the table and its cache misses, and not
// those of the list of keys. The rivals do less: they know no age, no
// generation and no limit.

type fibMap interface {
	lookup(Key) (frame.PortID, bool)
	learn(Key, frame.PortID)
}

type weftMap struct{ *Table }

func (m weftMap) lookup(k Key) (frame.PortID, bool) { return m.Lookup(k, 1) }
func (m weftMap) learn(k Key, p frame.PortID)       { m.Learn(k, p, 1) }

type syncMap struct{ *sync.Map }

func (m syncMap) lookup(k Key) (frame.PortID, bool) {
	v, ok := m.Load(k)
	if !ok {
		return 0, false
	}
	return v.(frame.PortID), true
}
func (m syncMap) learn(k Key, p frame.PortID) { m.Store(k, p) }

type xsyncMap struct{ *xsync.Map[Key, frame.PortID] }

func (m xsyncMap) lookup(k Key) (frame.PortID, bool) { return m.Load(k) }
func (m xsyncMap) learn(k Key, p frame.PortID)       { m.Store(k, p) }

var impls = []struct {
	name string
	make func(n int) fibMap
}{
	{"weft", func(n int) fibMap { return weftMap{New(Config{Limit: 2 * n, Age: 3000})} }},
	{"sync.Map", func(int) fibMap { return syncMap{&sync.Map{}} }},
	{"xsync", func(int) fibMap { return xsyncMap{xsync.NewMap[Key, frame.PortID]()} }},
}

const benchPorts = 64

// stations gives n keys as they are met in the field: few vendors, many
// stations, here all in one VLAN.
func stations(n int, vendor uint64) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = MakeKey(frame.Untagged, frame.MACFromUint64(vendor<<24|uint64(i)*7))
	}
	rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

func benchSizes(b *testing.B, run func(b *testing.B, m fibMap, keys []Key)) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		keys := stations(n, 0x525400)
		for _, impl := range impls {
			b.Run(fmt.Sprintf("n=%d/impl=%s", n, impl.name), func(b *testing.B) {
				m := impl.make(n)
				for i, k := range keys {
					m.learn(k, frame.PortID(1+i%benchPorts))
				}
				rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
				b.ReportAllocs()
				b.ResetTimer()
				run(b, m, keys)
			})
		}
	}
}

func lookupAll(b *testing.B, m fibMap, keys []Key, want bool) {
	i := 0
	for b.Loop() {
		if _, ok := m.lookup(keys[i]); ok != want {
			b.Fatal(keys[i], ok)
		}
		if i++; i == len(keys) {
			i = 0
		}
	}
}

func lookupAllParallel(b *testing.B, m fibMap, keys []Key, want bool) {
	var workers atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		i := int(workers.Add(1)) * 7919 % len(keys)
		for pb.Next() {
			if _, ok := m.lookup(keys[i]); ok != want {
				b.Error(keys[i], ok)
				return
			}
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	b.Run("hit", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) { lookupAll(b, m, keys, true) })
	})
	b.Run("miss", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) {
			lookupAll(b, m, stations(len(keys), 0x525401), false)
		})
	})
	b.Run("hit-parallel", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) { lookupAllParallel(b, m, keys, true) })
	})
	b.Run("miss-parallel", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) {
			lookupAllParallel(b, m, stations(len(keys), 0x525401), false)
		})
	})
}
