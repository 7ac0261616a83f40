package fib

import (
	"testing"

	"weft/frame"
)

func mac(n int) Key {
	return MakeKey(frame.Untagged, frame.MACFromUint64(0x02_00_00_00_00_00|uint64(n)))
}

func TestLifeOfAnEntry(t *testing.T) {
	tab := New(Config{Age: 10})
	k := mac(1)
	want := func(now Tick, p frame.PortID) {
		t.Helper()
		if got, ok := tab.Lookup(k, now); got != p || ok != (p != 0) {
			t.Fatalf("tick %d: Lookup gives %d, %v, want %d", now, got, ok, p)
		}
	}
	learn := func(now Tick, p frame.PortID, r LearnResult) {
		t.Helper()
		if got := tab.Learn(k, p, now); got != r {
			t.Fatalf("tick %d: Learn gives %d, want %d", now, got, r)
		}
	}
	want(0, 0)
	learn(0, 1, Inserted)
	want(0, 1)
	want(9, 1)
	want(10, 0)
	learn(5, 1, Refreshed)
	want(10, 1)
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
	if n := tab.Sweep(24); n != 0 || tab.Len() != 1 {
		t.Fatalf("%d swept", n)
	}
	if n := tab.Sweep(25); n != 1 || tab.Len() != 0 {
		t.Fatalf("%d swept", n)
	}
	if err := tab.AddStatic(k, 3, 25); err != nil {
		t.Fatal(err)
	}
	learn(25, 1, StaticViolation)
	learn(26, 3, Refreshed)
	tab.Flush()
	want(1000, 3)
	tab.RemovePort(3)
	want(1000, 0)
}
