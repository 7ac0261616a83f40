package vswitch_test

import (
	"bytes"
	"fmt"
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

func access(v frame.VLAN) vswitch.VLANPolicy { return vswitch.VLANPolicy{Access: v} }

func trunk(native frame.VLAN, ids ...frame.VLAN) vswitch.VLANPolicy {
	return vswitch.VLANPolicy{Trunk: vswitch.NewVLANSet(ids), Native: native}
}

func TestTaggedFramesAreCarried(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x := r.peer("x")
	f := eth(frame.Broadcast, mac(1))
	for _, tci := range []uint16{1, 5, 4094, 0, 0xf005, 0xe000} { // priorities, too
		r.reaches(p[0], tagged(f, tci), p[1], p[2], x)
		r.reaches(x, tagged(f, tci), p...)
	}
	service := bytes.Replace(tagged(f, 5), []byte{0x81, 0}, []byte{0x88, 0xa8}, 1)
	r.reaches(p[0], service, p[1], p[2], x)
}

func TestVLANsHaveAddressesOfTheirOwn(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x := r.peer("x")
	f := eth(frame.Broadcast, mac(1))
	p[0].send(f)
	p[1].send(tagged(f, 5))
	x.send(tagged(f, 6))
	r.knows("blue", "a/1", "b/1/5", "x/1/6")
	to := eth(mac(1), mac(2))
	r.reaches(p[2], to, p[0])
	r.reaches(p[2], tagged(to, 5), p[1])
	r.reaches(p[2], tagged(to, 6), x)
	r.reaches(p[2], tagged(to, 7), p[0], p[1], x)
	r.reaches(p[2], tagged(to, 0xe000), p[0]) // only a priority
}

func TestAccessPort(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", VLAN: access(5)})
	b := r.port(vswitch.PortConfig{Name: "b", VLAN: access(5)})
	c := r.port(vswitch.PortConfig{Name: "c", VLAN: access(6)})
	f := eth(frame.Broadcast, mac(1))
	r.reaches(a, f, b)
	r.drops(c, f, c, frame.DropNoDestination)
	for _, tci := range []uint16{5, 6, 0x6005} {
		r.drops(a, tagged(f, tci), a, frame.DropVLANFiltered)
	}
	r.arrives(a, tagged(f, 0xe000), f, b) // a tag of priority alone is taken off
	r.knows("blue", "a/1/5", "c/1/6")

	// An address that is elsewhere by hand is not reached across VLANs.
	r.must(r.sw.AddStatic("blue", 5, mac(7), c.id))
	r.drops(a, eth(mac(7), mac(1)), a, frame.DropVLANFiltered)
}

func TestTrunkPort(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", VLAN: trunk(0, 5, 6)})
	b := r.port(vswitch.PortConfig{Name: "b", VLAN: trunk(0, 6, 7)})
	n := r.port(vswitch.PortConfig{Name: "n", VLAN: trunk(6, 5)})
	f := eth(frame.Broadcast, mac(1))
	r.reaches(a, tagged(f, 5), n)
	r.drops(a, tagged(f, 7), a, frame.DropVLANFiltered)
	r.drops(a, f, a, frame.DropVLANFiltered)
	r.drops(a, tagged(f, 0xe000), a, frame.DropVLANFiltered)
	r.drops(b, tagged(f, 7), b, frame.DropNoDestination)
	r.drops(n, tagged(f, 6), n, frame.DropVLANFiltered)
	r.knows("blue", "a/1/5", "b/1/7")

	// The native VLAN has no tag on the port that calls it so.
	r.take()
	a.send(tagged(f, 0x8006))
	r.wantFrames(n, f)
	r.wantFrames(b, tagged(f, 0x8006))
	n.send(f)
	r.wantFrames(a, tagged(f, 6))
	r.wantFrames(b, tagged(f, 6))
	n.send(tagged(f, 0xe000))
	r.wantFrames(a, tagged(f, 0xe006))
	r.wantFrames(b, tagged(f, 0xe006))
	r.knows("blue", "a/1/5", "b/1/7", "n/1/6")
}

// wantFrames wants an end to have got just these frames since the last look.
func (r *rig) wantFrames(e *end, want ...[]byte) {
	r.t.Helper()
	got := e.take()
	if len(got) != len(want) {
		r.t.Errorf("%s gets %d frames, want %d", e.name, len(got), len(want))
		return
	}
	for i, b := range got {
		if !bytes.Equal(b.Head(), want[i]) {
			r.t.Errorf("%s gets\n%x, want\n%x", e.name, b.Head(), want[i])
		}
	}
}

// Every kind of end to every other, one frame of VLAN 5 with a priority where
// there is a tag to hold it. Flooded, so that copies are shared; with a payload
// behind the headers that a copy repeats; and with Frags.
func TestConversionsByteForByte(t *testing.T) {
	long := bytes.Repeat([]byte{1, 2, 3, 5, 7, 11}, 180)
	frags := [][]byte{bytes.Repeat([]byte{13}, 300), {}, bytes.Repeat([]byte{17}, 5)}
	for _, size := range []int{0, 40, 238, 239, 242, 243, len(long)} {
		for _, more := range [][][]byte{nil, frags} {
			t.Run(fmt.Sprintf("%d bytes and %d frags", size, len(more)), func(t *testing.T) {
				r := newRig(t)
				plain := append(eth(frame.Broadcast, mac(1))[:14], long[:size]...)
				tail := bytes.Join(more, nil)
				kinds := []struct {
					e      *end
					tagged bool
				}{
					{r.port(vswitch.PortConfig{Name: "access", VLAN: access(5)}), false},
					{r.port(vswitch.PortConfig{Name: "access too", VLAN: access(5)}), false},
					{r.port(vswitch.PortConfig{Name: "native", VLAN: trunk(5, 6)}), false},
					{r.port(vswitch.PortConfig{Name: "trunk", VLAN: trunk(0, 5, 6)}), true},
					{r.port(vswitch.PortConfig{Name: "trunk too", VLAN: trunk(9, 5)}), true},
					{r.ports("transparent")[0], true},
					{r.peer("tunnel"), true},
				}
				for _, from := range kinds {
					for _, tci := range []uint16{5, 0xb005} {
						f, withTag, without := plain, tagged(plain, 5), plain
						if from.tagged {
							f, withTag = tagged(plain, tci), tagged(plain, tci)
						}
						sent := bytes.Clone(f)
						from.e.queue.give(func(batch *frame.Batch) {
							b := batch.Next()
							b.Set(append(make([]byte, frame.Headroom), f...), frame.Headroom)
							b.Frags = append(b.Frags, more...)
							b.VNI, b.Ingress = from.e.vni, from.e.id
						})
						for _, to := range kinds {
							want := append(bytes.Clone(without), tail...)
							if to.tagged {
								want = append(bytes.Clone(withTag), tail...)
							}
							if to.e == from.e {
								r.wantFrames(to.e)
							} else {
								r.wantFrames(to.e, want)
							}
						}
						if !bytes.Equal(f, sent) {
							t.Errorf("the frame itself was changed")
						}
					}
				}
			})
		}
	}
}

func TestRetaggedSuperframesKeepTheirOffsetsRight(t *testing.T) {
	const tag = frame.TagLen
	payload := make([]byte, 5000)
	for _, kind := range []frame.GSO{frame.GSOTCPv4, frame.GSOTCPv6, frame.GSOUDP, frame.GSONone} {
		r := newRig(t)
		a := r.port(vswitch.PortConfig{Name: "access", VLAN: access(5), MTU: 9000})
		tr := r.port(vswitch.PortConfig{Name: "trunk", VLAN: trunk(0, 5), MTU: 9000})
		peer := r.peer("x")
		plain := append(eth(frame.Broadcast, mac(1)), payload...)
		o := frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: kind, ECN: true, HdrLen: 54, GSOSize: 1000}
		if kind == frame.GSONone {
			o = frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16}
			plain = plain[:900]
		}
		up := o
		up.CsumStart += tag
		if kind != frame.GSONone {
			up.HdrLen += tag
		}
		check := func(e *end, as []byte, want frame.Offload) {
			t.Helper()
			got := e.take()
			if len(got) != 1 {
				t.Fatalf("%s gets %d frames, want 1", e.name, len(got))
			}
			if got[0].Offload != want || !bytes.Equal(got[0].Head(), as) {
				t.Errorf("%s gets offload %+v, want %+v; bytes as wanted: %v", e.name, got[0].Offload, want, bytes.Equal(got[0].Head(), as))
			}
		}
		a.sendWith(o, nil, plain)
		check(tr, tagged(plain, 5), up)
		check(peer, tagged(plain, 5), up)
		tr.sendWith(up, nil, tagged(plain, 5))
		check(a, plain, o)
		check(peer, tagged(plain, 5), up)
		// A finished frame has no offsets to shift.
		a.send(plain[:900])
		check(tr, tagged(plain[:900], 5), frame.Offload{})
	}
}

func TestHeadersLongerThanACopyHolds(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "access", VLAN: access(5)})
	b := r.port(vswitch.PortConfig{Name: "access too", VLAN: access(5)})
	for i := range 3 {
		r.port(vswitch.PortConfig{Name: fmt.Sprint("trunk", i), VLAN: trunk(0, 5)})
	}
	f := append(eth(mac(2), mac(1)), make([]byte, 1000)...)
	o := frame.Offload{NeedsCsum: true, CsumStart: 260, CsumOffset: 16, GSO: frame.GSOTCPv6, HdrLen: 280, GSOSize: 500}
	frames := uint64(2)
	// Where it leaves as it came there is nothing to copy.
	before := r.sw.Totals()
	a.sendWith(o, nil, f)
	if got := b.take(); len(got) != 1 {
		t.Errorf("%s gets %d frames, want 1", b.name, len(got))
	}
	r.gained("the switch", before, r.sw.Totals(), frame.DropMalformed, frames)
	// And where nobody takes it so, it is counted once all the same.
	r.must(r.sw.Detach(b.id))
	before = r.sw.Totals()
	a.sendWith(o, nil, f)
	r.gained("the switch", before, r.sw.Totals(), frame.DropMalformed, frames)
	if got := r.take(); len(got) != 0 {
		t.Errorf("%d ends get a frame, want none", len(got))
	}
}

func TestPolicyChangeForgetsThePort(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	f := eth(frame.Broadcast, mac(1))
	p[0].send(f)
	p[1].send(eth(frame.Broadcast, mac(2)))
	r.must(r.sw.UpdatePort(p[0].id, vswitch.PortConfig{VLAN: trunk(0, 5)}))
	r.knows("blue", "b/2")
	r.reaches(p[0], tagged(f, 5), p[1], p[2])
	r.must(r.sw.UpdatePort(p[0].id, vswitch.PortConfig{VLAN: trunk(0, 5), MTU: 1400}))
	r.knows("blue", "b/2", "a/1/5")
	r.must(r.sw.UpdatePort(p[0].id, vswitch.PortConfig{VLAN: trunk(7, 5), MTU: 1400}))
	r.knows("blue", "b/2")
	p[0].send(f)
	r.knows("blue", "b/2", "a/1/7")
	r.must(r.sw.UpdatePort(p[0].id, vswitch.PortConfig{VLAN: trunk(7, 5, 6), MTU: 1400}))
	r.must(r.sw.UpdatePort(p[0].id, vswitch.PortConfig{VLAN: access(7)}))
	r.knows("blue", "b/2")
}

func TestVLANSet(t *testing.T) {
	ids := []frame.VLAN{1, 63, 64, 1000, 4094}
	s := vswitch.NewVLANSet(ids)
	for v := range frame.VLAN(4096) {
		want := v == 1 || v == 63 || v == 64 || v == 1000 || v == 4094
		if s.Has(v) != want {
			t.Errorf("Has(%d) is %v", v, !want)
		}
	}
}
