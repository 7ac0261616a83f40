package vswitch_test

import (
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

func TestUnknownUnicastBroadcastAndMulticastFlood(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	p := r.ports("a", "b", "c")
	r.port(vswitch.PortConfig{Name: "other", Network: "red"})
	x, y := r.peer("x"), r.peer("y")
	r.peer("z", "red")
	for _, dst := range []frame.MAC{mac(99), frame.Broadcast, {0x01, 0, 0x5e, 0, 0, 5}, {0x33, 0x33, 0, 0, 0, 1}} {
		r.reaches(p[0], eth(dst, mac(1)), p[1], p[2], x, y)
		r.reaches(p[1], eth(dst, mac(2)), p[0], p[2], x, y)
		r.reaches(x, eth(dst, mac(3)), p...)
	}
}

func TestUnicastAfterLearning(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x, y := r.peer("x"), r.peer("y")
	r.reaches(p[0], eth(mac(2), mac(1)), p[1], p[2], x, y)
	r.reaches(p[1], eth(mac(1), mac(2)), p[0])
	r.reaches(p[0], eth(mac(2), mac(1)), p[1])
	r.reaches(x, eth(mac(1), mac(3)), p[0])
	r.reaches(p[2], eth(mac(3), mac(4)), x)
	r.knows("blue", "a/1", "b/2", "c/4", "x/3")
}

func TestNetworksAreIsolated(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	blue := r.ports("a", "b", "c")
	var red []*end
	for _, n := range []string{"ra", "rb", "rc"} {
		red = append(red, r.port(vswitch.PortConfig{Name: n, Network: "red"}))
	}
	x := r.peer("x")
	// The same addresses, at other places.
	r.reaches(blue[0], eth(frame.Broadcast, mac(1)), blue[1], blue[2], x)
	r.reaches(red[1], eth(mac(1), mac(2)), red[0], red[2], x)
	r.reaches(red[2], eth(mac(2), mac(1)), red[1])
	r.reaches(blue[1], eth(mac(1), mac(2)), blue[0])
	r.reaches(x.in(42), eth(mac(2), mac(7)), blue[1])
	r.reaches(x.in(43), eth(mac(1), mac(7)), red[2])
	r.knows("blue", "a/1", "b/2", "x/7")
	r.knows("red", "rb/2", "rc/1", "x/7")
}

func TestFramesToATunnelCarryTheNetworksVNI(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	blue := r.ports("a")[0]
	red := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	x := r.peer("x")
	for from, vni := range map[*end]frame.VNI{blue: 42, red: 43} {
		from.send(eth(frame.Broadcast, mac(1)))
		if got := x.take(); len(got) != 1 || got[0].VNI != vni {
			t.Errorf("%s: the peer gets %v, want one frame of VNI %d", from.name, got, vni)
		}
	}
}

func TestPeersAreRestrictedToTheirNetworks(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	a := r.ports("a")[0]
	ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	x := r.peer("x", "red")
	both := r.peer("both", "red", "blue")
	r.reaches(a, eth(frame.Broadcast, mac(1)), both)
	r.reaches(ra, eth(frame.Broadcast, mac(1)), both, x)
	r.reaches(x.in(43), eth(frame.Broadcast, mac(2)), ra)
	r.drops(x.in(42), eth(frame.Broadcast, mac(3)), x, frame.DropUnknownVTEP)
	r.drops(x.in(42), eth(mac(1), mac(3)), x, frame.DropUnknownVTEP)
	r.knows("blue", "a/1")
	r.reaches(both.in(42), eth(mac(1), mac(3)), a)
}

func TestPeerLosesANetwork(t *testing.T) {
	r := newRig(t)
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
	p := r.ports("a", "b")
	ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	x := r.peer("x")
	r.reaches(x.in(42), eth(mac(99), mac(1)), p...)
	r.reaches(x.in(43), eth(mac(99), mac(1)), ra)
	r.must(r.sw.AddStatic("blue", 0, mac(2), x.id))
	r.must(r.sw.UpdatePeer(x.id, vswitch.PeerConfig{MTU: 1500, Networks: []string{"red"}}))
	// What was behind it in blue is unknown now; red is as it was.
	r.reaches(p[0], eth(mac(1), mac(10)), p[1])
	r.reaches(p[0], eth(mac(2), mac(10)), p[1])
	r.reaches(ra, eth(mac(1), mac(11)), x)
	r.drops(x.in(42), eth(mac(10), mac(1)), x, frame.DropUnknownVTEP)
	r.must(r.sw.UpdatePeer(x.id, vswitch.PeerConfig{MTU: 1500}))
	r.reaches(x.in(42), eth(mac(10), mac(1)), p[0])
}

func TestSplitHorizon(t *testing.T) {
	r := newRig(t)
	a := r.ports("a")[0]
	x, y := r.peer("x"), r.peer("y")
	r.reaches(y, eth(frame.Broadcast, mac(2)), a)
	r.reaches(x, eth(frame.Broadcast, mac(1)), a)
	r.reaches(x, eth(mac(99), mac(1)), a)
	r.drops(x, eth(mac(2), mac(1)), x, frame.DropSplitHorizon)
	r.drops(y, eth(mac(1), mac(2)), y, frame.DropSplitHorizon)
}

func TestNeverBackToTheIngressPort(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b")
	x := r.peer("x")
	for _, e := range []*end{p[0], x} {
		e.send(eth(frame.Broadcast, mac(1)), eth(frame.Broadcast, mac(2)))
		r.drops(e, eth(mac(1), mac(2)), e, frame.DropSamePort)
		r.drops(e, eth(mac(1), mac(1)), e, frame.DropSamePort)
	}
}

func TestGroupOrZeroSourceIsDroppedAndNotLearned(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b")
	x := r.peer("x")
	for _, src := range []frame.MAC{{}, frame.Broadcast, {0x01, 0, 0x5e, 0, 0, 5}, {0x03, 0, 0, 0, 0, 1}} {
		for _, e := range []*end{p[0], x} {
			r.drops(e, eth(frame.Broadcast, src), e, frame.DropSourceIsGroup)
			r.drops(e, eth(mac(1), src), e, frame.DropSourceIsGroup)
		}
	}
	r.knows("blue")
}

func TestReservedAddresses(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b")
	x := r.peer("x")
	group := frame.MAC{0x01, 0x80, 0xc2, 0, 0, 0}
	for i := range 16 {
		group[5] = byte(i)
		r.drops(p[0], eth(group, mac(1)), p[0], frame.DropReservedAddress)
		r.drops(x, eth(group, mac(2)), x, frame.DropReservedAddress)
	}
	r.knows("blue") // link-local protocols are no sign of who may be reached
	group[5] = 0x10
	r.reaches(p[0], eth(group, mac(1)), p[1], x)

	r.must(r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "blue", MTU: 1500, ForwardReserved: true}))
	for i := range 16 {
		group[5] = byte(i)
		r.reaches(p[0], eth(group, mac(1)), p[1], x)
	}
	r.network(vswitch.NetworkConfig{Name: "red", VNI: 43, ForwardReserved: true})
	ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
	r.reaches(x.in(43), eth(group, mac(2)), ra)
}

func TestDropsAtIngress(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b")
	x := r.peer("x")
	f := eth(frame.Broadcast, mac(1))
	r.drops(x.in(77), f, x, frame.DropUnknownVNI)
	for _, e := range []*end{p[0], x} {
		r.drops(e, f[:13], e, frame.DropMalformed)
		r.drops(e, nil, e, frame.DropMalformed)
		r.drops(e, tagged(f, 5)[:17], e, frame.DropMalformed)
	}
	r.reaches(p[0], f[:14], p[1], x)
	r.reaches(p[0], tagged(f, 5)[:18], p[1], x)

	// A frame that was on its way when its port or peer went.
	r.must(r.sw.Detach(x.id))
	r.drops(x, f, nil, frame.DropUnknownVTEP)
	far := &end{device: new(device), r: r, name: "nobody", id: 4000, queue: r.tunnel, vni: 42}
	r.drops(far, f, nil, frame.DropUnknownVTEP)
	// A tunnel names no local port, whoever has the PortID by now.
	r.drops(&end{r: r, name: "late", id: p[1].id, queue: r.tunnel, vni: 42}, f, nil, frame.DropUnknownVTEP)
}

func TestNobodyToFloodTo(t *testing.T) {
	r := newRig(t)
	a := r.ports("a")[0]
	r.drops(a, eth(frame.Broadcast, mac(1)), a, frame.DropNoDestination)
	r.must(r.sw.Detach(a.id))
	x, _ := r.peer("x"), r.peer("y")
	r.drops(x, eth(frame.Broadcast, mac(2)), x, frame.DropNoDestination)
}
