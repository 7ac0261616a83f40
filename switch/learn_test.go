package vswitch_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"weft/fib"
	"weft/frame"
	vswitch "weft/switch"
)

func TestAnEntryAgesAlthoughTrafficGoesToIt(t *testing.T) {
	for _, c := range []struct {
		name            string
		configured, age time.Duration
	}{
		{"default", 0, 300 * time.Second},
		{"configured", 7 * time.Second, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				go r.sw.Run(t.Context())
				r.must(r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "blue", MTU: 1500, Age: c.configured}))
				p := r.ports("a", "b", "c")
				x := r.peer("x")
				for _, at := range []*end{p[0], x} {
					// Twice: a frame from the address makes it young again.
					for range 2 {
						at.send(eth(frame.Broadcast, mac(1)))
						start := time.Now()
						for time.Since(start) < c.age-time.Second {
							r.reaches(p[1], eth(mac(1), mac(2)), at)
							time.Sleep(time.Second / 2)
						}
						synctest.Wait()
						r.reaches(p[1], eth(mac(1), mac(2)), at)
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
					r.reaches(p[1], eth(mac(1), mac(2)), p[0], p[2], x)
					r.knows("blue", "b/2")
				}
				time.Sleep(c.age + 2*time.Second)
				synctest.Wait()
				if n := r.sw.Len("blue"); n != 0 {
					t.Errorf("%d entries are left, want the sweep to have removed them", n)
				}
			})
		})
	}
}

func TestEntriesTellTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go r.sw.Run(t.Context())
		a := r.ports("a")[0]
		a.send(eth(frame.Broadcast, mac(1)))
		time.Sleep(42 * time.Second)
		synctest.Wait()
		list, err := r.sw.Entries("blue")
		r.must(err)
		if len(list) != 1 || list[0].Age.Round(time.Second) != 42*time.Second {
			t.Errorf("entries are %+v, want one of age 42s", list)
		}
	})
}

func TestMovesTakeEffectWithTheFirstFrame(t *testing.T) {
	for _, c := range []string{"local to local", "local to remote", "remote to local", "remote to remote"} {
		t.Run(c, func(t *testing.T) {
			r := newRig(t)
			p := r.ports("a", "b", "c")
			x, y := r.peer("x"), r.peer("y")
			move := map[string][2]*end{
				"local to local": {p[0], p[1]}, "local to remote": {p[0], x},
				"remote to local": {x, p[0]}, "remote to remote": {x, y},
			}[c]
			p[2].send(eth(frame.Broadcast, mac(9)))
			for range 2 { // and back, and again
				r.reaches(move[0], eth(mac(9), mac(1)), p[2])
				r.reaches(p[2], eth(mac(1), mac(9)), move[0])
				r.reaches(move[1], eth(mac(9), mac(1)), p[2])
				r.reaches(p[2], eth(mac(1), mac(9)), move[1])
			}
		})
	}
}

func TestStaticEntriesNeverMove(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x, y := r.peer("x"), r.peer("y")
	p[1].send(eth(frame.Broadcast, mac(1)))
	r.must(r.sw.AddStatic("blue", 0, mac(1), p[0].id)) // over what was learned
	r.must(r.sw.AddStatic("blue", 0, mac(2), x.id))
	for range 2 {
		r.drops(p[1], eth(mac(2), mac(1)), p[1], frame.DropStaticViolation)
		r.drops(x, eth(frame.Broadcast, mac(1)), x, frame.DropStaticViolation)
		r.drops(y, eth(frame.Broadcast, mac(2)), y, frame.DropStaticViolation)
		r.reaches(p[2], eth(mac(1), mac(9)), p[0])
		r.reaches(p[2], eth(mac(2), mac(9)), x)
		r.reaches(p[0], eth(mac(2), mac(1)), x) // at home
		r.knows("blue", "a/1/static", "x/2/static", "c/9")
		if n, err := r.sw.Flush("", frame.NoPort); n != 1 || err != nil {
			t.Errorf("Flush gives %d, %v, want 1", n, err)
		}
		r.knows("blue", "a/1/static", "x/2/static")
	}
	if ok, err := r.sw.RemoveEntry("blue", 0, mac(1)); !ok || err != nil {
		t.Errorf("RemoveEntry gives %v, %v", ok, err)
	}
	r.reaches(p[1], eth(mac(2), mac(1)), x)
	r.reaches(p[2], eth(mac(1), mac(9)), p[1])
}

func TestStaticEntriesDoNotAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go r.sw.Run(t.Context())
		p := r.ports("a", "b", "c")
		r.must(r.sw.AddStatic("blue", 0, mac(1), p[0].id))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		r.reaches(p[2], eth(mac(1), mac(9)), p[0])
	})
}

// A static entry is a way out of a network as any other, so it stays inside.
func TestStaticEntriesStayInTheirNetwork(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	x := r.peer("x", "red")
	for _, id := range []frame.PortID{ra.id, x.id, frame.NoPort, 77} {
		if err := r.sw.AddStatic("blue", 0, mac(1), id); !errors.Is(err, vswitch.ErrNoPort) {
			t.Errorf("port %d in blue: %v, want %v", id, err, vswitch.ErrNoPort)
		}
	}
	if err := r.sw.AddStatic("green", 0, mac(1), ra.id); !errors.Is(err, vswitch.ErrNoNetwork) {
		t.Errorf("AddStatic gives %v, want %v", err, vswitch.ErrNoNetwork)
	}
	r.must(r.sw.AddStatic("red", 0, mac(1), ra.id))
	r.must(r.sw.AddStatic("red", 0, mac(2), x.id))
	r.knows("blue")
}

func TestTheTableIsFairUnderAFloodOfSources(t *testing.T) {
	r := newRig(t)
	r.must(r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "blue", MTU: 1500, FDBLimit: 10}))
	p := r.ports("a", "b", "c", "d", "e", "flooder")
	for i, e := range p[:5] {
		e.send(eth(frame.Broadcast, mac(10*i+1)))
		e.send(eth(frame.Broadcast, mac(10*i+2)))
	}
	for i := range 16 {
		r.reaches(p[5], eth(frame.Broadcast, mac(100+i)), p[:5]...)
		// The newest station is heard in any case.
		r.reaches(p[0], eth(mac(100+i), mac(1)), p[5])
	}
	holds := map[frame.PortID]int{}
	list, err := r.sw.Entries("blue")
	r.must(err)
	for _, e := range list {
		holds[e.Port]++
	}
	if len(list) > 10 || holds[p[5].id] > 2 {
		t.Errorf("%d entries, %d of the flooder, want at most 10 and 2", len(list), holds[p[5].id])
	}
	lost := 0
	for _, e := range p[:5] {
		lost += 2 - holds[e.id]
		if holds[e.id] < 1 {
			t.Errorf("%s has no entry left", e.name)
		}
	}
	if lost > holds[p[5].id] {
		t.Errorf("the flooder holds %d, the others lost %d", holds[p[5].id], lost)
	}
	// Nor may a remote VTEP do it.
	x := r.peer("x")
	for i := range 1000 {
		x.send(eth(frame.Broadcast, mac(1000+i)))
	}
	if n, limit := r.sw.Len("blue"), r.sw.FDBLimit("blue"); n > 10 || limit != 10 {
		t.Errorf("%d entries, limit %d, want at most 10", n, limit)
	}
}

func TestATableFullOfStaticEntries(t *testing.T) {
	r := newRig(t)
	r.must(r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "blue", MTU: 1500, FDBLimit: 2}))
	p := r.ports("a", "b")
	r.must(r.sw.AddStatic("blue", 0, mac(1), p[0].id))
	r.must(r.sw.AddStatic("blue", 0, mac(2), p[1].id))
	r.drops(p[0], eth(mac(2), mac(3)), p[0], frame.DropFDBLimit)
	r.reaches(p[0], eth(mac(2), mac(1)), p[1])
	if err := r.sw.AddStatic("blue", 0, mac(4), p[1].id); !errors.Is(err, fib.ErrFull) {
		t.Errorf("AddStatic gives %v, want %v", err, fib.ErrFull)
	}
	// The other network has a table of its own.
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	ra.send(eth(frame.Broadcast, mac(3)))
	r.knows("red", "ra/3")
}

// fill has n stations speak behind an end.
func fill(from *end, first, n int) {
	for n > 0 {
		var batch [][]byte
		for range min(n, frame.BatchSize) {
			batch = append(batch, eth(mac(first), mac(first))[:14])
			first++
		}
		from.send(batch...)
		n -= len(batch)
	}
}

func TestFlushIsImmediate(t *testing.T) {
	const many = 20_000
	for _, c := range []struct {
		name         string
		behind       int // of a, b, x
		network      string
		port         int // of a, b, x; -1 is any
		gone, others bool
	}{
		{"by port", 0, "", 0, true, false},
		{"by port in its network", 0, "blue", 0, true, false},
		{"by peer", 2, "", 2, true, false},
		{"another port", 0, "", 1, false, false},
		{"by network", 0, "blue", -1, true, false},
		{"another network", 0, "red", -1, false, true},
		{"everything", 2, "", -1, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
			p := r.ports("a", "b", "c")
			ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
			rb := r.port(vswitch.PortConfig{Name: "rb", Network: "red"})
			x := r.peer("x")
			at := []*end{p[0], p[1], x}
			ra.send(eth(frame.Broadcast, mac(1)))
			fill(at[c.behind], 1000, many)
			id := frame.NoPort
			if c.port >= 0 {
				id = at[c.port].id
			}
			want := 0
			if c.gone {
				want += many
			}
			if c.others {
				want++
			}
			if n, err := r.sw.Flush(c.network, id); n != want || err != nil {
				t.Errorf("Flush gives %d, %v, want %d", n, err, want)
			}
			to, red := []*end{at[c.behind]}, []*end{ra}
			if c.gone {
				to = []*end{p[0], p[1], x}
			}
			if c.others {
				red = []*end{ra, x}
			}
			for _, i := range []int{1000, 1000 + many/2, 1000 + many - 1} {
				r.reaches(p[2], eth(mac(i), mac(2)), to...)
			}
			r.reaches(rb, eth(mac(1), mac(2)), red...)
			// It is learned again as if it had never been there.
			at[c.behind].send(eth(frame.Broadcast, mac(1000)))
			r.reaches(p[2], eth(mac(1000), mac(2)), at[c.behind])
		})
	}
	r := newRig(t)
	if _, err := r.sw.Flush("green", frame.NoPort); !errors.Is(err, vswitch.ErrNoNetwork) {
		t.Errorf("Flush gives %v, want %v", err, vswitch.ErrNoNetwork)
	}
}

func TestDetachForgets(t *testing.T) {
	for _, c := range []string{"port", "peer"} {
		t.Run(c, func(t *testing.T) {
			r := newRig(t)
			p := r.ports("a", "b", "c")
			x := r.peer("x")
			gone, stay := p[0], x
			if c == "peer" {
				gone, stay = x, p[0]
			}
			gone.send(eth(frame.Broadcast, mac(1)))
			r.must(r.sw.AddStatic("blue", 0, mac(2), gone.id))
			r.detach(gone)
			r.knows("blue")
			r.reaches(p[1], eth(mac(1), mac(9)), p[2], stay)
			if err := r.sw.Detach(gone.id); !errors.Is(err, vswitch.ErrNoPort) {
				t.Errorf("second Detach gives %v, want %v", err, vswitch.ErrNoPort)
			}
			// Who gets the PortID next inherits nothing.
			heir := r.port(vswitch.PortConfig{Name: "heir"})
			if heir.id != gone.id {
				t.Fatalf("PortID %d was given, want %d to be reused", heir.id, gone.id)
			}
			for _, n := range []int{1, 2} {
				r.reaches(p[1], eth(mac(n), mac(9)), p[2], stay, heir)
			}
		})
	}
}

// A network that does not learn floods, but for what is static, and knows
// nothing any more from the moment it does not learn.
func TestNoLearning(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	a, b, c := p[0], p[1], p[2]
	a.send(eth(frame.Broadcast, mac(1)))
	r.reaches(b, eth(mac(1), mac(2)), a)
	off := vswitch.NetworkConfig{Name: "blue", MTU: 1500, NoLearning: true}
	r.must(r.sw.UpdateNetwork(off))
	r.knows("blue")
	r.reaches(b, eth(mac(1), mac(2)), a, c)
	r.reaches(a, eth(mac(2), mac(1)), b, c)
	r.reaches(a, eth(mac(1), mac(1)), b, c) // its own address, as far as a switch would know
	r.knows("blue")

	r.must(r.sw.AddStatic("blue", 0, mac(1), a.id))
	r.reaches(b, eth(mac(1), mac(2)), a)
	r.reaches(a, eth(mac(2), mac(1)), b, c)
	r.must(r.sw.UpdateNetwork(off))
	r.reaches(b, eth(mac(1), mac(2)), a)

	off.NoLearning = false
	r.must(r.sw.UpdateNetwork(off))
	r.reaches(a, eth(mac(2), mac(1)), b, c)
	b.send(eth(frame.Broadcast, mac(2)))
	r.reaches(a, eth(mac(2), mac(1)), b)
}
