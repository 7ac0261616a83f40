package fib

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"weft/frame"
)

// The operations of a history, and what they may return on one table of a few
// keys. FlushPort reaches across keys, so the histories are checked whole and
// kept short instead of being split by key, which would let a flush take
// effect at another moment for each key.

type opKind uint8

const (
	opLookup opKind = iota
	opLearn
	opRemove
	opFlushPort
	opSweep
)

type input struct {
	op   opKind
	key  int
	port frame.PortID
	now  Tick
}

type output struct {
	port   frame.PortID
	result LearnResult
	n      int
}

const (
	historyKeys = 3
	historyAge  = 4
)

type historyEntry struct {
	port frame.PortID
	tick Tick
}

// state is comparable, as porcupine wants it.
type state [historyKeys]historyEntry

func (s state) step(in input) (output, state) {
	e := &s[in.key]
	aged := func(e historyEntry) bool { return in.now-min(e.tick, in.now) >= historyAge }
	switch in.op {
	case opLookup:
		if e.port == 0 || aged(*e) {
			return output{}, s
		}
		return output{port: e.port}, s
	case opLearn:
		old := *e
		if old.port == in.port {
			e.tick = max(e.tick, in.now)
		} else {
			*e = historyEntry{in.port, in.now}
		}
		switch {
		case old.port == 0 || aged(old):
			return output{result: Inserted}, s
		case old.port == in.port:
			return output{result: Refreshed}, s
		}
		return output{result: Moved}, s
	case opRemove:
		n := 0
		if e.port != 0 {
			n = 1
		}
		*e = historyEntry{}
		return output{n: n}, s
	case opFlushPort:
		n := 0
		for i := range s {
			if s[i].port == in.port {
				s[i] = historyEntry{}
				n++
			}
		}
		return output{n: n}, s
	case opSweep: // removes what nobody can see any more
	}
	return output{}, s
}

var tableModel = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(st, in, out any) (bool, any) {
		want, next := st.(state).step(in.(input))
		return want == out.(output), next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

func do(tab *Table, in input) output {
	k := mac(in.key)
	switch in.op {
	case opLookup:
		p, _ := tab.Lookup(k, in.now)
		return output{port: p}
	case opLearn:
		return output{result: tab.Learn(k, in.port, in.now)}
	case opRemove:
		if tab.Remove(k) {
			return output{n: 1}
		}
	case opFlushPort:
		return output{n: tab.FlushPort(in.port)}
	case opSweep:
		tab.Sweep(in.now)
	}
	return output{}
}

// TestLinearizable records what goroutines do to a table at once, while
// another one makes its array be replaced over and over, and asks whether one
// order of the operations explains all results.
//
// A sweep removes what no Lookup sees any more, which only Remove and
// FlushPort can tell, by their counts. So histories with sweeps have neither.
// A caller whose clock is behind the sweep's could tell, too, so in them the
// clock goes on between operations only.
func TestLinearizable(t *testing.T) {
	histories := 400
	if testing.Short() {
		histories = 40
	}
	for i := range histories {
		mix := []opKind{opLookup, opLookup, opLookup, opLearn, opLearn, opRemove, opFlushPort}
		if i%4 == 3 {
			mix = []opKind{opLookup, opLookup, opLearn, opSweep}
		}
		history := record(mix, uint64(i))
		if got := porcupine.CheckOperationsTimeout(tableModel, history, 20*time.Second); got != porcupine.Ok {
			for _, op := range history {
				t.Logf("%d [%d, %d] %s", op.ClientId, op.Call, op.Return, tableModel.DescribeOperation(op.Input, op.Output))
			}
			t.Fatalf("history %d: %v", i, got)
		}
	}
}

func record(mix []opKind, seed uint64) []porcupine.Operation {
	const clients, steps = 4, 60
	tab := New(Config{Age: historyAge})
	start := time.Now()
	var clock atomic.Uint32
	var step sync.RWMutex // held to read by operations, to write by the clock
	steady := slices.Contains(mix, opSweep)
	var stop atomic.Bool
	var churn, wg sync.WaitGroup
	churn.Go(func() {
		for n := historyKeys; !stop.Load(); n++ {
			tab.Learn(mac(n), 9, Tick(clock.Load()))
			tab.Remove(mac(n))
			tab.mu.Lock()
			tab.widen(len(tab.ports)) // as a new port would
			tab.mu.Unlock()
		}
	})
	histories := make([][]porcupine.Operation, clients)
	for c := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(c)))
			for range steps {
				if r.IntN(20) == 0 {
					step.Lock()
					clock.Add(1)
					step.Unlock()
				}
				if steady {
					step.RLock()
				}
				in := input{mix[r.IntN(len(mix))], r.IntN(historyKeys), frame.PortID(1 + r.IntN(2)), Tick(clock.Load())}
				call := time.Since(start).Nanoseconds()
				out := do(tab, in)
				if steady {
					step.RUnlock()
				}
				histories[c] = append(histories[c], porcupine.Operation{
					ClientId: c, Input: in, Call: call, Output: out, Return: time.Since(start).Nanoseconds(),
				})
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	churn.Wait()
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	return all
}

// TestModelTellsWrongFromRight makes sure that the check above can fail.
func TestModelTellsWrongFromRight(t *testing.T) {
	op := func(client int, call, ret int64, in input, out output) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: ret}
	}
	right := []porcupine.Operation{
		op(0, 0, 1, input{op: opLearn, port: 1}, output{result: Inserted}),
		op(0, 2, 5, input{op: opLearn, port: 2}, output{result: Moved}),
		op(1, 3, 4, input{op: opLookup}, output{port: 1}),
	}
	if !porcupine.CheckOperations(tableModel, right) {
		t.Error("a Lookup during a move may find the old port")
	}
	missed := append(right[:2:2], op(1, 3, 4, input{op: opLookup}, output{}))
	late := append(right[:2:2], op(1, 6, 7, input{op: opLookup}, output{port: 1}))
	for name, h := range map[string][]porcupine.Operation{"no port during a move": missed, "the old port after a move": late} {
		if porcupine.CheckOperations(tableModel, h) {
			t.Errorf("accepted: %s", name)
		}
	}
}
