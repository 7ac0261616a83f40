package vswitch_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
	vswitch "weft/switch"
)

// superframe gives a TCP superframe from station 1 to station 2 with n bytes of
// payload, and the length of its headers.
func superframe(t testing.TB, n, gso int) ([]byte, frame.Offload) {
	f := packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP),
		&layers.TCP{SrcPort: 1000, DstPort: 2000, ACK: true, Seq: 1}, filler(n))
	return f, frame.Offload{
		NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: 54, GSOSize: uint16(gso),
	}
}

func TestSuperframesPassWhole(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x := r.peer("x")
	f, o := superframe(t, 60_000, 1460)
	o.ECN = true
	frags := [][]byte{filler(1460), filler(1)}
	check := func(to ...*end) {
		t.Helper()
		got := r.take()
		if len(got) != len(to) {
			t.Errorf("%d ends get it, want %d", len(got), len(to))
		}
		for _, e := range to {
			if len(got[e]) != 1 {
				t.Errorf("%s gets %d frames, want 1", e.name, len(got[e]))
				continue
			}
			b := got[e][0]
			if b.Offload != o || !bytes.Equal(b.Head(), append(append(bytes.Clone(f), frags[0]...), frags[1]...)) {
				t.Errorf("%s gets offload %+v, want %+v, or other bytes", e.name, b.Offload, o)
			}
		}
	}
	p[0].sendWith(o, frags, f)
	check(p[1], p[2], x)
	r.must(r.sw.AddStatic("blue", 0, mac(2), p[1].id))
	p[0].sendWith(o, frags, f)
	check(p[1])
	x.sendWith(o, frags, f)
	check(p[1])
}

func TestSuperframeTooBig(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
	b := r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
	f, o := superframe(t, 3000, 1460)
	before := r.sw.Stats(a.id)
	a.sendWith(o, nil, f)
	r.gained("a", before, r.sw.Stats(a.id), frame.DropTooBig, 3)
	if got := a.take(); len(got) != 1 {
		t.Errorf("%d answers, want 1", len(got))
	} else {
		wantAnswer(t, f, got[0].Head(), 1400)
	}
	if n := len(b.take()); n != 0 {
		t.Errorf("b gets %d frames, want none", n)
	}
	// Shorter than a segment of the size it states: what counts is the frame.
	f, o = superframe(t, 1000, 1460)
	a.sendWith(o, nil, f)
	if n := len(b.take()); n != 1 {
		t.Errorf("b gets %d frames, want 1", n)
	}
}

func TestGuessedSuperframesAreCutToTheEgress(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
	b := r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
	r.must(r.sw.AddStatic("blue", 0, mac(2), b.id))
	f, o := superframe(t, 20_000, 8000)
	o.Guessed = true
	a.sendWith(o, nil, f)
	got := b.take()
	if len(got) != 1 {
		t.Fatalf("b gets %d frames, want 1", len(got))
	}
	o.GSOSize = 1360
	if got[0].Offload != o || got[0].MaxWireLen() != 14+1400 {
		t.Errorf("offload is %+v, want %+v", got[0].Offload, o)
	}
	if d := r.sw.Totals(); len(d.DropMap()) != 0 {
		t.Errorf("drops are %v, want none", d.DropMap())
	}
	// Nothing fits where the headers do not.
	r.must(r.sw.UpdatePort(b.id, vswitch.PortConfig{MTU: 40}))
	a.sendWith(o, nil, f)
	if d := r.sw.Totals(); d.Drops[frame.DropTooBig] == 0 || len(b.take()) != 0 {
		t.Errorf("drops are %v, want too_big", d.DropMap())
	}
}

// Every egress's segments fit it, also where several share one retagged copy.
func TestGuessedSuperframesFitEveryEgressOfAFlood(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000, VLAN: access(5)})
	rooms := map[*end]int{}
	for i, mtu := range []int{9000, 1400, 3000, 1300, 1350} {
		name := string(rune('b' + i))
		rooms[r.port(vswitch.PortConfig{Name: name + " trunk", MTU: mtu, VLAN: trunk(0, 5)})] = mtu
		rooms[r.port(vswitch.PortConfig{Name: name + " access", MTU: mtu - 10, VLAN: access(5)})] = mtu - 10
	}
	f, o := superframe(t, 20_000, 8000)
	o.Guessed = true
	a.sendWith(o, nil, f)
	got := r.take()
	for e, mtu := range rooms {
		if len(got[e]) != 1 {
			t.Errorf("%s gets %d frames, want 1", e.name, len(got[e]))
			continue
		}
		b := got[e][0]
		if n := b.MaxWireLen() - frame.Ethernet(b.Head()).HeaderLen(); n > mtu {
			t.Errorf("%s of MTU %d gets segments of %d bytes", e.name, mtu, n)
		}
	}
}
