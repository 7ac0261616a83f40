package fib

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weft/frame"
)

// model is the table as one would write it without a thought for speed. Where
// the table is free to choose, which is only between entries of one port with
// the same tick, the model asks what it chose.
type model struct {
	Config
	entries map[Key]modelEntry
}

type modelEntry struct {
	port   frame.PortID
	static bool
	tick   Tick
}

func (m *model) expired(e modelEntry, now Tick) bool {
	return !e.static && m.Age != 0 && now-e.tick >= m.Age
}

func (m *model) lookup(k Key, now Tick) (frame.PortID, bool) {
	e, ok := m.entries[k]
	if !ok || m.expired(e, now) {
		return 0, false
	}
	return e.port, true
}

func (m *model) holdings() (learned, all map[frame.PortID]int) {
	learned, all = map[frame.PortID]int{}, map[frame.PortID]int{}
	for _, e := range m.entries {
		all[e.port]++
		if !e.static {
			learned[e.port]++
		}
	}
	return learned, all
}

// makeRoom gives the port that has to give an entry for one more on p, NoPort
// when none has to.
func (m *model) makeRoom(p frame.PortID, moves bool) (victim frame.PortID, ok bool) {
	learned, all := m.holdings()
	if m.PortLimit > 0 && all[p] >= m.PortLimit {
		return p, learned[p] > 0
	}
	if moves || len(m.entries) < m.Limit {
		return frame.NoPort, true
	}
	greatest := frame.NoPort
	for _, q := range slices.Sorted(maps.Keys(learned)) {
		if greatest == frame.NoPort || learned[q] > learned[greatest] {
			greatest = q
		}
	}
	if greatest == frame.NoPort {
		return frame.NoPort, false
	}
	if learned[p] > 0 && learned[p]+1 >= learned[greatest] {
		return p, true
	}
	return greatest, true
}

// evict removes from the model the entry of p that the table removed, and
// fails unless that was one of the oldest.
func (m *model) evict(t testing.TB, tab *Table, p frame.PortID) {
	t.Helper()
	var oldest Tick
	found := false
	for _, e := range m.entries {
		if e.port == p && !e.static && (!found || int32(e.tick-oldest) < 0) {
			oldest, found = e.tick, true
		}
	}
	for k, e := range m.entries {
		if e.port == p && !e.static && e.tick == oldest {
			if s := tab.array.Load().find(k); s == nil || !tab.held(s.load()) || s.load().port() != p {
				delete(m.entries, k)
				return
			}
		}
	}
	t.Fatalf("none of the oldest entries of port %d was evicted", p)
}

func (m *model) learn(t testing.TB, tab *Table, k Key, p frame.PortID, now Tick, got LearnResult) {
	t.Helper()
	e, held := m.entries[k]
	expired := held && m.expired(e, now)
	want := Inserted
	switch {
	case held && e.static && e.port != p:
		want = StaticViolation
	case held && e.port == p:
		if !expired {
			want = Refreshed
		}
		m.entries[k] = modelEntry{p, e.static, now}
	default:
		victim, ok := m.makeRoom(p, held)
		if !ok {
			want = Full
			delete(m.entries, k)
			break
		}
		if held && !expired {
			want = Moved
		}
		if victim != frame.NoPort {
			m.evict(t, tab, victim)
		}
		m.entries[k] = modelEntry{p, false, now}
	}
	if got != want {
		t.Fatalf("Learn(%x, %d, %d) = %d, want %d", k, p, now, got, want)
	}
}

func (m *model) addStatic(t testing.TB, tab *Table, k Key, p frame.PortID, now Tick, got error) {
	t.Helper()
	e, held := m.entries[k]
	if !held || e.port != p {
		victim, ok := m.makeRoom(p, held)
		if !ok {
			if got == nil {
				t.Fatalf("AddStatic(%x, %d): no error", k, p)
			}
			return
		}
		if victim != frame.NoPort {
			m.evict(t, tab, victim)
		}
	}
	if got != nil {
		t.Fatalf("AddStatic(%x, %d): %v", k, p, got)
	}
	m.entries[k] = modelEntry{p, true, now}
}

// remove removes what drop selects and gives the number.
func (m *model) remove(drop func(Key, modelEntry) bool) int {
	n := 0
	for k, e := range m.entries {
		if drop(k, e) {
			delete(m.entries, k)
			n++
		}
	}
	return n
}

func (m *model) list(now Tick) []Entry {
	list := []Entry{}
	for k, e := range m.entries {
		if !m.expired(e, now) {
			list = append(list, Entry{k, e.port, e.static, now - e.tick})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return int(int64(a.Key) - int64(b.Key)) })
	return list
}

// setConfig follows the table in what a falling limit makes it choose.
func (m *model) setConfig(t testing.TB, tab *Table, c Config) {
	t.Helper()
	m.Config = c
	if c.PortLimit > 0 {
		for p := frame.PortID(1); p <= modelPorts; p++ {
			for {
				learned, all := m.holdings()
				if all[p] <= c.PortLimit || learned[p] == 0 {
					break
				}
				m.evict(t, tab, p)
			}
		}
	}
	for len(m.entries) > c.Limit {
		learned, _ := m.holdings()
		if len(learned) == 0 {
			break
		}
		greatest := slices.MaxFunc(slices.Sorted(maps.Keys(learned)), func(a, b frame.PortID) int {
			if d := learned[a] - learned[b]; d != 0 {
				return d
			}
			return int(b) - int(a)
		})
		m.evict(t, tab, greatest)
	}
}

const (
	modelPorts = 6
	modelKeys  = 64
)

// runModel takes operations from next, which gives a number below n, as long
// as there are more, and compares the table with the model after each.
func runModel(t testing.TB, more func() bool, next func(n int) int) {
	c := Config{Limit: 4 + next(20), PortLimit: next(8), Age: Tick(next(12))}
	tab := New(c)
	m := &model{Config: c, entries: map[Key]modelEntry{}}
	now := Tick(math.MaxUint32-200) + Tick(next(300)) // so that it comes round
	for step := 0; more(); step++ {
		op := next(100)
		k := MakeKey(frame.VLAN(next(2)), frame.MACFromUint64(uint64(next(modelKeys/2))))
		p := frame.PortID(1 + next(modelPorts))
		switch {
		case op < 50:
			m.learn(t, tab, k, p, now, tab.Learn(k, p, now))
		case op < 65:
			now += Tick(next(3))
		case op < 70:
			m.addStatic(t, tab, k, p, now, tab.AddStatic(k, p, now))
		case op < 80:
			want := m.remove(func(l Key, _ modelEntry) bool { return l == k }) == 1
			if got := tab.Remove(k); got != want {
				t.Fatalf("step %d: Remove(%x) = %v", step, k, got)
			}
		case op < 86:
			want := m.remove(func(_ Key, e modelEntry) bool { return e.port == p && !e.static })
			if got := tab.FlushPort(p); got != want {
				t.Fatalf("step %d: FlushPort(%d) = %d, want %d", step, p, got, want)
			}
		case op < 87:
			want := m.remove(func(_ Key, e modelEntry) bool { return !e.static })
			if got := tab.Flush(); got != want {
				t.Fatalf("step %d: Flush() = %d, want %d", step, got, want)
			}
		case op < 89:
			m.remove(func(_ Key, e modelEntry) bool { return e.port == p })
			tab.RemovePort(p)
		case op < 96:
			want := m.remove(func(_ Key, e modelEntry) bool { return m.expired(e, now) })
			if got := tab.Sweep(now); got != want {
				t.Fatalf("step %d: Sweep(%d) = %d, want %d", step, now, got, want)
			}
		default:
			c := Config{Limit: 4 + next(20), PortLimit: next(8), Age: Tick(next(12))}
			tab.SetConfig(c)
			m.setConfig(t, tab, c)
		}
		compare(t, tab, m, now, step)
	}
}

func compare(t testing.TB, tab *Table, m *model, now Tick, step int) {
	t.Helper()
	if want, got := m.list(now), tab.Entries(now); !slices.Equal(want, got) {
		t.Fatalf("after step %d: entries (-want +got):\n%s", step, cmp.Diff(want, got))
	}
	if got, want := tab.Len(), len(m.entries); got != want {
		t.Fatalf("after step %d: Len() = %d, want %d", step, got, want)
	}
	_, all := m.holdings()
	for p := frame.PortID(1); p <= modelPorts; p++ {
		if got := tab.PortLen(p); got != all[p] {
			t.Fatalf("after step %d: PortLen(%d) = %d, want %d", step, p, got, all[p])
		}
	}
	for i := range uint64(modelKeys) {
		k := MakeKey(frame.VLAN(i%2), frame.MACFromUint64(i/2))
		got, ok := tab.Lookup(k, now)
		if want, wantOK := m.lookup(k, now); got != want || ok != wantOK {
			t.Fatalf("after step %d: Lookup(%x, %d) = %d, %v, want %d, %v", step, k, now, got, ok, want, wantOK)
		}
	}
}

func TestAgainstModel(t *testing.T) {
	seeds, steps := uint64(200), 600
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			left := steps
			runModel(t, func() bool { left--; return left >= 0 }, r.IntN)
		})
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte{6, 0, 5, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 81, 0, 0, 0})
	f.Add([]byte{0, 2, 3, 250, 1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 66, 0, 0, 0, 1, 1, 2, 3, 97, 0, 0, 0, 2, 2, 2})
	r := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 1000)
	for i := range long {
		long[i] = byte(r.Uint32())
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, ops []byte) {
		runModel(t, func() bool { return len(ops) > 0 }, func(n int) int {
			if len(ops) == 0 {
				return 0
			}
			b := ops[0]
			ops = ops[1:]
			return int(b) % n
		})
	})
}
