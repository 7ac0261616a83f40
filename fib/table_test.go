package fib

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"weft/frame"
)

// mac gives the key of the nth of the tests' stations.
func mac(n int) Key {
	return MakeKey(frame.Untagged, frame.MACFromUint64(0x02_00_00_00_00_00|uint64(n)))
}

func TestKey(t *testing.T) {
	m := frame.MAC{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}
	k := MakeKey(4094, m)
	if k != 0x0ffe_0211_2233_4455 || k.MAC() != m || k.VLAN() != 4094 {
		t.Errorf("%x is %v in VLAN %d", k, k.MAC(), k.VLAN())
	}
	if MakeKey(1, m) == MakeKey(2, m) || MakeKey(1, frame.MAC{}) < MakeKey(0, frame.Broadcast) {
		t.Error("keys do not sort by VLAN first")
	}
}

func TestLifeOfAnEntry(t *testing.T) {
	// The ticks start before and end after they come round.
	start := Tick(math.MaxUint32 - 12)
	tab := New(Config{Age: 10})
	k := mac(1)
	want := func(at Tick, p frame.PortID) {
		t.Helper()
		if got, ok := tab.Lookup(k, start+at); got != p || ok != (p != 0) {
			t.Fatalf("tick %d: Lookup gives %d, %v, want %d", at, got, ok, p)
		}
	}
	learn := func(at Tick, p frame.PortID, r LearnResult) {
		t.Helper()
		if got := tab.Learn(k, p, start+at); got != r {
			t.Fatalf("tick %d: Learn gives %d, want %d", at, got, r)
		}
	}
	want(0, 0)
	learn(0, 1, Inserted)
	want(0, 1)
	want(9, 1)
	want(10, 0)
	learn(5, 1, Refreshed)
	learn(4, 1, Refreshed) // a worker whose clock is a tick behind
	want(4, 1)
	want(14, 1)
	want(15, 0)
	learn(15, 1, Inserted)
	learn(15, 2, Moved)
	want(15, 2)
	if n := tab.FlushPort(1); n != 0 {
		t.Fatalf("%d flushed", n)
	}
	want(15, 2)
	if n := tab.FlushPort(2); n != 1 {
		t.Fatalf("%d flushed", n)
	}
	want(15, 0)
	learn(15, 2, Inserted)
	if n := tab.Sweep(start + 24); n != 0 || tab.Len() != 1 {
		t.Fatalf("%d swept", n)
	}
	if n := tab.Sweep(start + 25); n != 1 || tab.Len() != 0 {
		t.Fatalf("%d swept", n)
	}
	if err := tab.AddStatic(k, 3, start+25); err != nil {
		t.Fatal(err)
	}
	learn(25, 1, StaticViolation)
	learn(26, 3, Refreshed)
	tab.Flush()
	tab.Sweep(start + 1000)
	want(1000, 3)
	tab.RemovePort(3)
	want(1000, 0)
}

// TestEntriesKeepTheirAgeForYears lets the ticks come round.
func TestEntriesKeepTheirAgeForYears(t *testing.T) {
	tab := New(Config{})
	tab.Learn(mac(1), 1, 0)
	const week = Tick(7 * 864_000)
	age := Tick(0)
	for now := Tick(0); age < math.MaxUint32-week; now, age = now+week, age+week {
		tab.Sweep(now)
		if got := tab.Entries(now)[0].Age; got != min(age, MaxAge) {
			t.Fatalf("after %d weeks the age is %d ticks", age/week, got)
		}
	}
	for now := Tick(0); now < 200*week; now += week {
		tab.Sweep(age + now)
	}
	tab.SetAge(3000)
	if p, ok := tab.Lookup(mac(1), age+200*week); ok {
		t.Errorf("after years of silence on %d", p)
	}
}

func holdings(tab *Table, ports int) []int {
	var h []int
	for p := 1; p <= ports; p++ {
		h = append(h, tab.PortLen(frame.PortID(p)))
	}
	return h
}

// TestFairEviction is the flood of the design: five ports of two stations
// each fill a table of ten, then a sixth sends from sixteen addresses.
func TestFairEviction(t *testing.T) {
	tab := New(Config{Limit: 10})
	for i := range 10 {
		tab.Learn(mac(i), frame.PortID(1+i/2), Tick(i))
	}
	for i := range 16 {
		if r := tab.Learn(mac(100+i), 6, Tick(10+i)); r != Inserted {
			t.Fatalf("address %d of the flood: %d", i, r)
		}
		// The share of one of six ports in ten entries is one.
		if diff := cmp.Diff([]int{1, 2, 2, 2, 2, 1}, holdings(tab, 6)); diff != "" {
			t.Fatalf("after address %d of the flood (-want +got):\n%s", i, diff)
		}
	}
	if _, ok := tab.Lookup(mac(0), 26); ok {
		t.Error("port 1 gave another entry than its oldest")
	}
	if p, ok := tab.Lookup(mac(115), 26); !ok || p != 6 {
		t.Error("the flooding port lost its latest address")
	}
	// Every other station, talking again, is still known, at its port.
	for i := 1; i < 10; i++ {
		if r := tab.Learn(mac(i), frame.PortID(1+i/2), 30); r != Refreshed {
			t.Errorf("station %d of port %d was evicted (%d)", i%2, 1+i/2, r)
		}
	}
}

// TestFloodTakesFromNobodySmaller floods from a port of random size among
// ports of random sizes.
func TestFloodTakesFromNobodySmaller(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	for range 200 {
		const ports = 8
		tab := New(Config{Limit: 40})
		for i := range 40 {
			tab.Learn(mac(i), frame.PortID(1+r.IntN(1+r.IntN(ports))), Tick(i))
		}
		flooder := frame.PortID(1 + r.IntN(ports))
		for i := range 100 {
			before := holdings(tab, ports)
			tab.Learn(mac(1000+i), flooder, 100)
			after := holdings(tab, ports)
			for p := range before {
				own := before[flooder-1]
				if frame.PortID(p+1) != flooder && after[p] < before[p] && own > 0 && before[p] < own+2 {
					t.Fatalf("port %d, holding %d, took from port %d: %v, then %v", flooder, own, p+1, before, after)
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	tab := New(Config{Limit: 4, PortLimit: 2})
	for i := range 3 {
		tab.Learn(mac(i), 1, Tick(i))
	}
	if n := tab.PortLen(1); n != 2 {
		t.Errorf("port 1 holds %d, its limit is 2", n)
	}
	if _, ok := tab.Lookup(mac(0), 3); ok {
		t.Error("not the oldest was evicted")
	}
	for i := range 2 {
		if err := tab.AddStatic(mac(10+i), 2, 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.AddStatic(mac(12), 2, 3); !errors.Is(err, ErrFull) {
		t.Errorf("a third static entry on port 2: %v", err)
	}
	if r := tab.Learn(mac(13), 2, 3); r != Full {
		t.Errorf("learning where all is static: %d", r)
	}
	// A station that moves there is no longer where it was.
	if r := tab.Learn(mac(1), 2, 3); r != Full {
		t.Errorf("moving where all is static: %d", r)
	}
	if p, ok := tab.Lookup(mac(1), 3); ok {
		t.Errorf("still on port %d", p)
	}
	tab.SetConfig(Config{Limit: 2})
	if diff := cmp.Diff([]int{0, 2}, holdings(tab, 2)); diff != "" {
		t.Errorf("limit 2: %s", diff)
	}
	if r := tab.Learn(mac(1), 1, 4); r != Full {
		t.Errorf("learning in a table of statics: %d", r)
	}
	if tab.SetLimit(0); tab.Limit() != DefaultLimit {
		t.Errorf("limit %d", tab.Limit())
	}
}

// TestGenerationsComeRound flushes a port until its generation is one that an
// old entry still has in its slot.
func TestGenerationsComeRound(t *testing.T) {
	tab := New(Config{})
	tab.Learn(mac(1), 1, 0)
	for i := range 2*numGenerations + 2 {
		tab.FlushPort(1)
		if p, ok := tab.Lookup(mac(1), 0); ok {
			t.Fatalf("after %d flushes mac(1) is on port %d again", i+1, p)
		}
		tab.Learn(mac(2), 1, 0)
	}
	if err := tab.AddStatic(mac(3), 1, 0); err != nil || tab.Len() != 2 {
		t.Error(err, tab.Len())
	}
}

func TestHighPorts(t *testing.T) {
	tab := New(Config{})
	for _, p := range []frame.PortID{255, 256, 65535} {
		tab.Learn(mac(int(p)), p, 0)
	}
	tab.FlushPort(256)
	for p, want := range map[frame.PortID]bool{255: true, 256: false, 65535: true} {
		if got, ok := tab.Lookup(mac(int(p)), 0); ok != want || ok && got != p {
			t.Errorf("port %d: found %d, %v", p, got, ok)
		}
	}
	tab.FlushPort(4000)
	tab.RemovePort(4001)
}

func TestNoAllocations(t *testing.T) {
	tab := New(Config{Age: 100})
	for i := range 1000 {
		tab.Learn(mac(i), frame.PortID(1+i%7), 0)
	}
	if err := tab.AddStatic(mac(2000), 1, 0); err != nil {
		t.Fatal(err)
	}
	now := Tick(0)
	for name, f := range map[string]func(){
		"hit":       func() { tab.Lookup(mac(500), now) },
		"static":    func() { tab.Lookup(mac(2000), now) },
		"miss":      func() { tab.Lookup(mac(5000), now) },
		"refresh":   func() { now++; tab.Learn(mac(1), 2, now) },
		"same tick": func() { tab.Learn(mac(1), 2, now) },
		"violation": func() { tab.Learn(mac(2000), 2, now) },
		"move":      func() { now++; tab.Learn(mac(3), frame.PortID(1+now%2), now) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestSize holds a million entries to 40 bytes each, counted from the arrays
// and on the heap.
func TestSize(t *testing.T) {
	const n, most = 1_000_000, 40
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tab := New(Config{Limit: n})
	for i := range n {
		tab.Learn(mac(i), frame.PortID(1+i%50), 0)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if tab.Len() != n {
		t.Fatalf("%d entries", tab.Len())
	}
	array := len(tab.array.Load().buckets) * int(unsafe.Sizeof(bucket{}))
	heap := int(after.HeapAlloc) - int(before.HeapAlloc)
	t.Logf("%.1f bytes an entry in the array, %.1f on the heap", float64(array)/n, float64(heap)/n)
	if array > most*n || heap > most*n {
		t.Errorf("more than %d bytes an entry", most)
	}
	runtime.KeepAlive(tab)
}

// TestSequencesSpread: addresses that count up, as those of virtual machines
// do, fill the buckets evenly with nearly every seed. How far keys overflow is
// worked out from how many have their home where.
func TestSequencesSpread(t *testing.T) {
	const buckets, seeds = 1 << 14, 400
	crowded, tried := 0, 0
	for _, stride := range []int{1, 4, 256, 1 << 16} {
		for range seeds {
			tried++
			a := newArray(buckets, nil)
			var homes [buckets]int
			for i := range a.maxUsed() / 3 * 2 {
				homes[a.hash(mac(i*stride).word())&uint64(len(a.buckets)-1)]++
			}
			if longestOverflow(homes[:]) >= maxProbe {
				crowded++
			}
		}
	}
	if crowded > tried/40 {
		t.Errorf("%d seeds of %d crowd", crowded, tried)
	}
}

// longestOverflow is through how many buckets keys overflow at most that have these
// homes.
func longestOverflow(homes []int) (most int) {
	over, way := 0, 0
	for i := range 2 * len(homes) {
		if over = max(0, over+homes[i%len(homes)]-slotsPerBucket); over == 0 {
			way = 0
			continue
		}
		way++
		most = max(most, way)
	}
	return most
}

// TestCacheLines checks what no line of code enforces: that the allocator
// aligns buckets to cache lines, and that the fields every Lookup reads share
// none with those that every insertion writes.
func TestCacheLines(t *testing.T) {
	if s := unsafe.Sizeof(bucket{}); s != 64 {
		t.Errorf("a bucket has %d bytes", s)
	}
	for n := minBuckets; n <= 1<<16; n *= 2 {
		if p := uintptr(unsafe.Pointer(&newArray(n, nil).buckets[0])); p%64 != 0 {
			t.Errorf("an array of %d buckets begins at %x", n, p)
		}
	}
	for range 100 {
		tab := New(Config{})
		first, rest := uintptr(unsafe.Pointer(tab)), uintptr(unsafe.Pointer(&tab.mu))
		if first%64 != 0 || rest%64 != 0 {
			t.Fatalf("a table at %x has its lock at %x", first, rest)
		}
	}
}

// TestShrinks checks that the memory of a flood is given back.
func TestShrinks(t *testing.T) {
	tab := New(Config{Age: 10})
	for i := range 50_000 {
		tab.Learn(mac(i), 1, 0)
	}
	tab.Learn(mac(1), 1, 5)
	if n := tab.Sweep(11); n != 49_999 {
		t.Errorf("%d swept", n)
	}
	if n := len(tab.array.Load().buckets); n != minBuckets {
		t.Errorf("%d buckets for one entry", n)
	}
	if _, ok := tab.Lookup(mac(1), 11); !ok {
		t.Error("lost by shrinking")
	}
}

// TestGrowthUnderReaders has readers look for entries that are always there
// while the table grows from nothing to many times its first size. A reader
// that waited would show nothing wrong here, but it would also show no
// lookups while a rebuild holds the lock, and those are counted.
func TestGrowthUnderReaders(t *testing.T) {
	const known, total = 20, 200_000
	tab := New(Config{Limit: total})
	for i := range known {
		tab.Learn(mac(i), frame.PortID(1+i), 0)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i = (i + 1) % known {
				if p, ok := tab.Lookup(mac(i), 0); !ok || p != frame.PortID(1+i) {
					t.Errorf("station %d: %d, %v", i, p, ok)
					return
				}
			}
		})
	}
	for i := known; i < total; i++ {
		tab.Learn(mac(i), 50, 0)
	}
	// With the lock held, as by a rebuild that never ends, lookups and
	// refreshes still return.
	tab.mu.Lock()
	for i := range known {
		if p, ok := tab.Lookup(mac(i), 0); !ok || p != frame.PortID(1+i) {
			t.Errorf("under the lock, station %d: %d, %v", i, p, ok)
		}
		if r := tab.Learn(mac(i), frame.PortID(1+i), 1); r != Refreshed {
			t.Errorf("under the lock, station %d: %d", i, r)
		}
	}
	tab.mu.Unlock()
	stop.Store(true)
	wg.Wait()
}

// TestRefreshDuringRebuild checks that no refresh is lost to a rebuild, or to
// room for more ports, at the same time.
func TestRefreshDuringRebuild(t *testing.T) {
	const stations = 200
	tab := New(Config{Age: 3})
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			tab.mu.Lock()
			tab.widen(len(tab.ports))
			tab.rebuild(nil)
			tab.mu.Unlock()
		}
	})
	for now := range Tick(3000) {
		for i := range stations {
			tab.Learn(mac(i), 1, now)
		}
		for i := range stations {
			if e, ok := tab.find(mac(i)); !ok || e.tick() != now {
				t.Fatalf("tick %d: station %d has tick %d", now, i, e.tick())
			}
		}
	}
	stop.Store(true)
	wg.Wait()
}

// find gives the value of k.
func (t *Table) find(k Key) (value, bool) {
	s := t.array.Load().find(k)
	if s == nil {
		return 0, false
	}
	v := s.load()
	return v, t.held(v)
}

// TestStress is for the race detector, and for counts that must add up after
// everything happened at once.
func TestStress(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	const stations, ports = 500, 8
	tab := New(Config{Limit: 300, PortLimit: 100, Age: 20})
	var clock atomic.Uint32
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range rounds {
				k, p, now := mac(r.IntN(stations)), frame.PortID(1+r.IntN(ports)), Tick(clock.Load())
				switch n := r.IntN(1000); {
				case n < 600:
					tab.Lookup(k, now)
				case n < 950:
					tab.Learn(k, p, now)
				case n < 960:
					tab.Remove(k)
				case n < 970:
					tab.FlushPort(p)
				case n < 980:
					clock.Add(1)
				case n < 985:
					tab.Sweep(now)
				case n < 990:
					_ = tab.AddStatic(k, p, now)
				case n < 993:
					tab.RemovePort(p)
				case n < 995:
					tab.SetLimit(200 + r.IntN(200))
				case n < 996:
					tab.SetConfig(Config{Limit: 300, PortLimit: 50 + r.IntN(100), Age: Tick(10 + r.IntN(20))})
				default:
					tab.Entries(now)
				}
			}
		})
	}
	wg.Wait()
	tab.SetAge(0)
	perPort := map[frame.PortID]int{}
	entries := tab.Entries(Tick(clock.Load()))
	for _, e := range entries {
		perPort[e.Port]++
		if p, ok := tab.Lookup(e.Key, Tick(clock.Load())); !ok || p != e.Port {
			t.Errorf("Lookup(%x) = %d, %v, Entries says %d", e.Key, p, ok, e.Port)
		}
	}
	if tab.Len() != len(entries) {
		t.Errorf("Len() = %d for %d entries", tab.Len(), len(entries))
	}
	for p := range frame.PortID(ports + 1) {
		if got := tab.PortLen(p); got != perPort[p] {
			t.Errorf("PortLen(%d) = %d for %d entries", p, got, perPort[p])
		}
	}
}

// TestMovingIsNeverAMiss moves a station to and fro, and flushes each port
// once the station has left it. Lookups find it on one port or the other.
func TestMovingIsNeverAMiss(t *testing.T) {
	tab := New(Config{})
	tab.Learn(mac(1), 1, 0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				if _, ok := tab.Lookup(mac(1), 0); !ok {
					t.Error("not found")
					return
				}
			}
		})
	}
	for i := range 200_000 {
		from := frame.PortID(1 + i%2)
		tab.Learn(mac(1), 3-from, 0)
		tab.Learn(mac(2), from, 0)
		tab.FlushPort(from)
	}
	stop.Store(true)
	wg.Wait()
}
