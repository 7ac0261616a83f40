package vswitch_test

import (
	"fmt"
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

// sink is a port that only counts, as the fastest one would.
type sink struct{ frames int }

func (s *sink) NewTx() vswitch.Tx { return s }

func (s *sink) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	for _, b := range bufs {
		t.Sent(b)
	}
	s.frames += len(bufs)
}

// replay gives the same full batches again and again until left is 0.
type replay struct {
	mem     [][]byte // each a frame behind headroom
	frags   []byte
	offload frame.Offload
	ingress frame.PortID
	next    int
	left    int
}

func (r *replay) ReadBatch(b *frame.Batch) error {
	if r.left == 0 {
		return errClosed
	}
	r.left--
	r.fill(b)
	return nil
}

func (r *replay) fill(b *frame.Batch) {
	b.Reset()
	for range frame.BatchSize {
		buf := b.Next()
		buf.Set(r.mem[r.next], frame.Headroom)
		if r.frags != nil {
			buf.Frags = append(buf.Frags, r.frags)
		}
		buf.Offload, buf.VNI, buf.Ingress = r.offload, 42, r.ingress
		if r.next++; r.next == len(r.mem) {
			r.next = 0
		}
	}
}

// room gives a frame headroom.
func room(f []byte) []byte { return append(make([]byte, frame.Headroom), f...) }

func TestForwardingAllocatesNothing(t *testing.T) {
	unicast, unknown := eth(mac(2), mac(1)), eth(mac(99), mac(1))
	super, o := superframe(t, 3000, 1000)
	copy(super, frame.Broadcast[:])
	for _, c := range []struct {
		name    string
		from    func(a, trunk, access, x *end) *end
		frame   []byte
		offload frame.Offload
		frags   []byte
		sent    int // for each frame
	}{
		{"unicast", func(a, _, _, _ *end) *end { return a }, unicast, frame.Offload{}, nil, 1},
		{"unicast from a tunnel", func(_, _, _, x *end) *end { return x }, unicast, frame.Offload{}, nil, 1},
		{"unicast to a tunnel", func(a, _, _, _ *end) *end { return a }, eth(mac(3), mac(1)), frame.Offload{}, nil, 1},
		{"flood", func(a, _, _, _ *end) *end { return a }, unknown, frame.Offload{}, nil, 2},
		{"tagged flood", func(a, _, _, _ *end) *end { return a }, tagged(unknown, 5), frame.Offload{}, nil, 4},
		{"tag put on", func(_, _, access, _ *end) *end { return access }, unknown, frame.Offload{}, nil, 4},
		{"tag taken off", func(_, trunk, _, _ *end) *end { return trunk }, tagged(unknown, 5), frame.Offload{}, nil, 4},
		{"superframe with Frags, retagged", func(_, _, access, _ *end) *end { return access }, super, o, filler(1000), 4},
		{"dropped", func(a, _, _, _ *end) *end { return a }, eth(frame.Broadcast, frame.Broadcast), frame.Offload{}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			attach := func(name string, p vswitch.VLANPolicy) (*end, *sink) {
				s := new(sink)
				id, err := r.sw.AttachPort(vswitch.PortConfig{Name: name, Network: "blue", VLAN: p}, s)
				r.must(err)
				return &end{id: id, queue: r.serve(id)}, s
			}
			a, s1 := attach("a", vswitch.VLANPolicy{})
			b, s2 := attach("b", vswitch.VLANPolicy{})
			tr, s3 := attach("trunk", trunk(0, 5))
			ac, s4 := attach("access", access(5))
			s5 := new(sink)
			id, err := r.sw.AttachPeer(vswitch.PeerConfig{Name: "x", MTU: 1500}, s5)
			r.must(err)
			x := &end{id: id, queue: r.tunnel}
			b.send(eth(frame.Broadcast, mac(2)))
			x.vni = 42
			x.send(eth(frame.Broadcast, mac(3)))

			from := c.from(a, tr, ac, x)
			rx := &replay{mem: [][]byte{room(c.frame)}, offload: c.offload, frags: c.frags, ingress: from.id}
			fill := rx.fill
			from.queue.give(fill)
			sinks := []*sink{s1, s2, s3, s4, s5}
			for _, s := range sinks {
				s.frames = 0
			}
			const runs = 100 // and one that AllocsPerRun makes first
			if n := testing.AllocsPerRun(runs, func() { from.queue.give(fill) }); n != 0 {
				t.Errorf("%v allocations a batch, want 0", n)
			}
			sent := 0
			for _, s := range sinks {
				sent += s.frames
			}
			if want := c.sent * frame.BatchSize * (runs + 1); sent != want {
				t.Errorf("%d frames are sent, want %d", sent, want)
			}
		})
	}
}

// benchmark switches full batches and reports the time of one frame.
func benchmark(b *testing.B, rx *replay, ports int, c vswitch.NetworkConfig) {
	sw := vswitch.New()
	c.Name, c.VNI, c.MTU, c.FDBLimit = "blue", 42, 1500, 300_000
	if err := sw.AddNetwork(c); err != nil {
		b.Fatal(err)
	}
	var ids []frame.PortID
	var sinks []*sink
	for range ports {
		s := new(sink)
		id, err := sw.AttachPort(vswitch.PortConfig{Network: "blue"}, s)
		if err != nil {
			b.Fatal(err)
		}
		ids, sinks = append(ids, id), append(sinks, s)
	}
	// Every destination that is no group is behind the second port.
	answers := &replay{}
	for _, m := range rx.mem {
		if f := frame.Ethernet(m[frame.Headroom:]); !f.Dst().IsGroup() {
			answers.mem = append(answers.mem, room(eth(f.Src(), f.Dst())))
		}
	}
	learn := len(rx.mem)/frame.BatchSize + 1
	rx.left = learn
	_ = sw.Serve(rx, ids[0])
	if len(answers.mem) > 0 {
		answers.left = learn
		_ = sw.Serve(answers, ids[1])
	}
	for _, s := range sinks {
		s.frames = 0
	}
	b.ReportAllocs()
	b.ResetTimer()
	rx.left = b.N
	_ = sw.Serve(rx, ids[0])
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frame.BatchSize), "ns/frame")
	for _, s := range sinks[1:] {
		if want := b.N * frame.BatchSize; s.frames != want {
			b.Fatalf("%d frames are sent, want %d", s.frames, want)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, flows := range []int{1, 64, 100_000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			rx := &replay{}
			for i := range flows {
				rx.mem = append(rx.mem, room(eth(mac(1_000_000+i), mac(1+i))))
			}
			benchmark(b, rx, 2, vswitch.NetworkConfig{})
		})
	}
}

// BenchmarkCable is a lab's link: what BenchmarkForward does, with nothing
// learned.
func BenchmarkCable(b *testing.B) {
	for _, flows := range []int{1, 64, 100_000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			rx := &replay{}
			for i := range flows {
				rx.mem = append(rx.mem, room(eth(mac(1_000_000+i), mac(1+i))))
			}
			benchmark(b, rx, 2, vswitch.NetworkConfig{NoLearning: true})
		})
	}
}

func BenchmarkFlood(b *testing.B) {
	benchmark(b, &replay{mem: [][]byte{room(eth(frame.Broadcast, mac(1)))}}, 11, vswitch.NetworkConfig{})
}
