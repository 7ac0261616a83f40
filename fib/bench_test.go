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

func lookups(b *testing.B, m fibMap, keys []Key, want bool) {
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

func parallelLookups(b *testing.B, m fibMap, keys []Key, want bool) {
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
	for _, mode := range []struct {
		name string
		run  func(*testing.B, fibMap, []Key, bool)
	}{{"", lookups}, {"-parallel", parallelLookups}} {
		b.Run("hit"+mode.name, func(b *testing.B) {
			benchSizes(b, func(b *testing.B, m fibMap, keys []Key) { mode.run(b, m, keys, true) })
		})
		b.Run("miss"+mode.name, func(b *testing.B) {
			benchSizes(b, func(b *testing.B, m fibMap, keys []Key) {
				mode.run(b, m, stations(len(keys), 0x525401), false)
			})
		})
	}
}

// BenchmarkMixed is 99 lookups and then one station that moved to another
// port: the dearest kind of write that does not make a table grow.
func BenchmarkMixed(b *testing.B) {
	const every = 100
	b.Run("writes=1%", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) {
			i, n := 0, 0
			for b.Loop() {
				if n++; n%every == 0 {
					m.learn(keys[i], frame.PortID(1+n/every%benchPorts))
				} else if _, ok := m.lookup(keys[i]); !ok {
					b.Fatal(keys[i])
				}
				if i++; i == len(keys) {
					i = 0
				}
			}
		})
	})
	b.Run("writes=1%-parallel", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, m fibMap, keys []Key) {
			var workers atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				i, n := int(workers.Add(1))*7919%len(keys), 0
				for pb.Next() {
					if n++; n%every == 0 {
						m.learn(keys[i], frame.PortID(1+n/every%benchPorts))
					} else if _, ok := m.lookup(keys[i]); !ok {
						b.Error(keys[i])
						return
					}
					if i++; i == len(keys) {
						i = 0
					}
				}
			})
		})
	})
}

// BenchmarkLearn is what the table does with the source of a frame.
func BenchmarkLearn(b *testing.B) {
	const n = 100_000
	keys := stations(n, 0x525400)
	tab := New(Config{Limit: 2 * n, Age: 3000})
	for _, k := range keys {
		tab.Learn(k, 1, 0)
	}
	run := func(name string, learn func(i, round int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				learn(i%n, i/n)
			}
		})
	}
	run("same-tick", func(i, _ int) { tab.Learn(keys[i], 1, 0) })
	now := Tick(0)
	run("refresh", func(i, _ int) {
		if i == 0 {
			now++
		}
		tab.Learn(keys[i], 1, now)
	})
	run("move", func(i, round int) { tab.Learn(keys[i], frame.PortID(2+round%2), now) })
}

// BenchmarkFlood sends a million addresses into a full table: from one port,
// and from 256 that hold the same, where each takes from itself.
func BenchmarkFlood(b *testing.B) {
	for _, limit := range []int{1_000, DefaultLimit} {
		for _, ports := range []int{1, 256} {
			b.Run(fmt.Sprintf("limit=%d/ports=%d", limit, ports), func(b *testing.B) {
				tab := New(Config{Limit: limit, Age: 3000})
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					tab.Learn(mac(n%1_000_000), frame.PortID(1+n%ports), Tick(n/100_000))
				}
			})
		}
	}
}

// BenchmarkFlushPort flushes a port of a hundred stations in tables of all
// sizes, and learns one again.
func BenchmarkFlushPort(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			tab := New(Config{Limit: 2 * n})
			for i := range n {
				tab.Learn(mac(i), 1, 0)
			}
			for b.Loop() {
				tab.Learn(mac(0), 2, 0)
				tab.FlushPort(2)
			}
		})
	}
}
