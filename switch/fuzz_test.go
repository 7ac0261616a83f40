package vswitch_test

import (
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

// FuzzForward gives the switch random bytes as frames, from a port of each kind
// and from remote VTEPs. Input is a list of: where from, length, bytes.
func FuzzForward(f *testing.F) {
	broadcast := eth(frame.Broadcast, mac(1))
	for from := range byte(6) {
		for _, b := range [][]byte{
			broadcast, tagged(broadcast, 5), tagged(broadcast, 0xe000), broadcast[:13], tagged(broadcast, 5)[:17],
			udp4(f, 200), udp6(f, 200), tagged(udp4(f, 150), 6), eth(mac(1), mac(2)), eth(mac(1), frame.Broadcast),
			eth(frame.MAC{0x01, 0x80, 0xc2}, mac(1)), nil,
		} {
			one := append([]byte{from, byte(len(b))}, b...)
			two := append([]byte{from + 3, byte(len(b))}, b...)
			f.Add(append(one, two...))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r := newRig(t)
		r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
		r.must(r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "blue", MTU: 100, FDBLimit: 3}))
		x := r.peer("x")
		from := []*end{
			r.ports("a")[0],
			r.port(vswitch.PortConfig{Name: "b", VLAN: access(5)}),
			r.port(vswitch.PortConfig{Name: "c", VLAN: trunk(7, 5, 6)}),
			x, x.in(44), r.peer("y", "red").in(43),
		}
		r.port(vswitch.PortConfig{Name: "d", VLAN: trunk(0, 5)})
		r.port(vswitch.PortConfig{Name: "e", MTU: 250})
		r.must(r.sw.AddStatic("blue", 0, mac(2), from[0].id))
		for len(input) >= 2 {
			e := from[int(input[0])%len(from)]
			n := min(int(input[1]), len(input)-2)
			bytes := input[2 : 2+n]
			input = input[2+n:]

			before, own := r.sw.Totals(), r.sw.Stats(e.id)
			e.send(bytes)
			after := r.sw.Totals()
			var drops, tooBig uint64
			for reason := range after.Drops {
				drops += after.Drops[reason] - before.Drops[reason]
			}
			tooBig = after.Drops[frame.DropTooBig] - before.Drops[frame.DropTooBig]
			deliveries := 0
			var back []*frame.Buf
			for o, got := range r.take() {
				if o.id == e.id {
					back = got // an answer, or a mistake
					continue
				}
				if len(got) != 1 {
					t.Fatalf("%s sends %x: %s gets it %d times", e.name, bytes, o.name, len(got))
				}
				deliveries++
			}
			switch {
			case drops > 1:
				t.Fatalf("%s sends %x: it is counted as dropped %d times", e.name, bytes, drops)
			case drops == 0 && deliveries == 0:
				t.Fatalf("%s sends %x: it is neither delivered nor counted", e.name, bytes)
			case drops == 1 && deliveries > 0 && tooBig == 0:
				t.Fatalf("%s sends %x: it is delivered %d times and counted as dropped", e.name, bytes, deliveries)
			case uint64(len(back)) > tooBig:
				t.Fatalf("%s sends %x: it gets %d frames back", e.name, bytes, len(back))
			}
			for _, b := range back {
				if h := frame.Ethernet(b.Head()); h.Dst() != frame.Ethernet(bytes).Src() || h.Src() != frame.Ethernet(bytes).Dst() {
					t.Fatalf("%s sends %x: it gets %x back", e.name, bytes, h)
				}
			}
			now := r.sw.Stats(e.id)
			if now.RxFrames != own.RxFrames+1 || now.RxBytes != own.RxBytes+uint64(n) {
				t.Fatalf("%s sends %x: counters go from %+v to %+v", e.name, bytes, own, now)
			}
			if tx := after.TxFrames - before.TxFrames; tx != uint64(deliveries+len(back)) {
				t.Fatalf("%s sends %x: %d frames are counted as sent, %d were", e.name, bytes, tx, deliveries+len(back))
			}
		}
	})
}
