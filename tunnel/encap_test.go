package tunnel

import (
	"bytes"
	"slices"
	"testing"

	"weft/frame/offload"
)

// cut is what a train is to be.
type cut struct {
	count, seg, last int
	tos              uint8
}

func TestTrains(t *testing.T) {
	many := func(n, length int) []int { return slices.Repeat([]int{length}, n) }
	for _, c := range []struct {
		name   string
		frames []int // lengths
		tos    []uint8
		noGSO  bool
		want   []cut
	}{
		{name: "one", frames: []int{100}, want: []cut{{1, 108, 108, 0}}},
		{name: "equal", frames: many(3, 100), want: []cut{{3, 108, 108, 0}}},
		{name: "last shorter", frames: []int{100, 100, 40}, want: []cut{{3, 108, 48, 0}}},
		{name: "nothing behind a shorter one", frames: []int{100, 40, 40, 100}, want: []cut{{2, 108, 48, 0}, {1, 48, 48, 0}, {1, 108, 108, 0}}},
		{name: "equal to a shorter one", frames: []int{100, 40, 40, 40}, want: []cut{{2, 108, 48, 0}, {2, 48, 48, 0}}},
		{name: "longer", frames: []int{100, 101, 101}, want: []cut{{1, 108, 108, 0}, {2, 109, 109, 0}}},
		{name: "at most 64", frames: many(130, 60), want: []cut{{64, 68, 68, 0}, {64, 68, 68, 0}, {2, 68, 68, 0}}},
		{name: "at most 65507 bytes", frames: many(46, 1464), want: []cut{{44, 1472, 1472, 0}, {2, 1472, 1472, 0}}},
		{name: "exactly 65507 bytes", frames: append(many(44, 1472), 65507-44*1480-8), want: []cut{{45, 1480, 387, 0}}},
		{name: "one byte more", frames: append(many(44, 1472), 65507-44*1480-8+1), want: []cut{{44, 1480, 1480, 0}, {1, 388, 388, 0}}},
		{
			name: "one TOS", frames: many(5, 100), tos: []uint8{0, 0, 1, 1, 0},
			want: []cut{{2, 108, 108, 0}, {2, 108, 108, 1}, {1, 108, 108, 0}},
		},
		{name: "no GSO", frames: many(3, 100), noGSO: true, want: slices.Repeat([]cut{{1, 108, 108, 0}}, 3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _ := deafVTEP(t, Config{})
			if c.noGSO {
				v.gso.disable("by the test")
			}
			e := newEncapsulator(v)
			var all []byte
			for i, n := range c.frames {
				f := plain(n, byte(i))
				all = append(all, packet(f)...)
				var tos uint8
				if c.tos != nil {
					tos = c.tos[i]
				}
				e.enqueue(3, bufOf(f), tos)
			}
			if !slices.Equal(e.used, []uint8{3}) {
				t.Errorf("lanes in use: %v, want 3", e.used)
			}
			var got []cut
			var sent []byte
			for _, tr := range e.lanes[3].trains {
				got = append(got, cut{tr.count, tr.seg, tr.last, tr.tos})
				bytesOfTrain := slices.Concat(tr.parts...)
				if tr.bytes != len(bytesOfTrain) || tr.bytes != (tr.count-1)*tr.seg+tr.last ||
					int(tr.frames) != tr.count || int(tr.length) != tr.bytes-tr.count*HeaderLen {
					t.Errorf("train %+v has %d bytes", tr, len(bytesOfTrain))
				}
				sent = append(sent, bytesOfTrain...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("trains %v, want %v", got, c.want)
			}
			if !bytes.Equal(sent, all) {
				t.Error("the trains hold other bytes than the frames, or in another order")
			}
		})
	}
}

// Frames that came out of a tunnel in pieces are parts of one datagram.
func TestTrainOfPieces(t *testing.T) {
	v, _ := deafVTEP(t, Config{})
	e := newEncapsulator(v)
	f := plain(300, 1)
	b := bufOf(f[:100])
	b.Frags = [][]byte{f[100:150], f[150:]}
	e.enqueue(0, b, 0)
	e.enqueue(0, bufOf(f), 0)
	tr := e.lanes[0].trains[0]
	if tr.count != 2 || !bytes.Equal(slices.Concat(tr.parts...), append(packet(f), packet(f)...)) {
		t.Errorf("train %+v", tr)
	}
}

// TestLanes: a flow keeps to one lane, flows use all of them.
func TestLanes(t *testing.T) {
	used := map[uint32]int{}
	for port := range uint16(256) {
		f := spec{port: 30000 + port, payload: []byte("a")}.build(t)
		g := spec{port: 30000 + port, tos: 0xff, payload: []byte("another")}.build(t)
		if offload.FlowHash(f)%lanes != offload.FlowHash(g)%lanes {
			t.Fatal("frames of one flow in two lanes")
		}
		used[offload.FlowHash(f)%lanes]++
	}
	if len(used) != lanes {
		t.Errorf("256 flows use %d lanes, want %d: %v", len(used), lanes, used)
	}
}
