package vswitch_test

import (
	"errors"
	"math"
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

func TestPortDown(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	r.reaches(p[0], eth(frame.Broadcast, mac(1)), p[1], p[2])
	r.must(r.sw.AddStatic("blue", 0, mac(2), p[0].id))
	r.must(r.sw.SetPort(p[0].id, nil))
	r.knows("blue", "a/2/static")
	r.reaches(p[1], eth(frame.Broadcast, mac(9)), p[2])
	r.reaches(p[1], eth(mac(1), mac(9)), p[2])
	r.drops(p[1], eth(mac(2), mac(9)), p[0], frame.DropPortDown)

	// What its queue still held goes nowhere and teaches nothing.
	r.drops(p[0], eth(frame.Broadcast, mac(3)), p[0], frame.DropPortDown)
	r.knows("blue", "a/2/static", "b/9")

	// It comes back with another device.
	again := new(device)
	old := p[0].device
	p[0].device = again
	r.must(r.sw.SetPort(p[0].id, again))
	r.reaches(p[1], eth(frame.Broadcast, mac(9)), p[0], p[2])
	r.reaches(p[1], eth(mac(2), mac(9)), p[0])
	r.reaches(p[0], eth(mac(9), mac(1)), p[1])
	if n := len(old.take()); n != 0 {
		t.Errorf("the device that is gone gets %d frames", n)
	}
	if err := r.sw.SetPort(77, again); !errors.Is(err, vswitch.ErrNoPort) {
		t.Errorf("SetPort gives %v, want %v", err, vswitch.ErrNoPort)
	}
}

func TestPortThatStartsDown(t *testing.T) {
	r := newRig(t)
	a := r.ports("a")[0]
	id, err := r.sw.AttachPort(vswitch.PortConfig{Name: "later", Network: "blue"}, nil)
	r.must(err)
	later := &end{device: new(device), r: r, name: "later", id: id}
	r.ends = append(r.ends, later)
	r.drops(a, eth(frame.Broadcast, mac(1)), a, frame.DropNoDestination)
	r.must(r.sw.SetPort(id, later.device))
	r.reaches(a, eth(frame.Broadcast, mac(1)), later)
}

func TestCountersCountWireFrames(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b", "c")
	x := r.peer("x")
	const headers, gso = 54, 1000
	// 3 segments: 1000, 1000 and 500 bytes.
	super := append(eth(frame.Broadcast, mac(1))[:14], make([]byte, headers-14+2500)...)
	o := frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: headers, GSOSize: gso}
	p[0].sendWith(o, nil, super)
	wantStats(t, r.sw.Stats(p[0].id), frame.Stats{RxFrames: 3, RxBytes: 2500 + 3*headers})
	for _, e := range []*end{p[1], p[2], x} {
		wantStats(t, r.sw.Stats(e.id), frame.Stats{TxFrames: 3, TxBytes: 2500 + 3*headers})
	}
	wantStats(t, r.sw.Totals(), frame.Stats{
		RxFrames: 3, RxBytes: 2500 + 3*headers, TxFrames: 9, TxBytes: 3 * (2500 + 3*headers),
	})
	// A dropped superframe is as many drops.
	want := r.sw.Stats(p[0].id)
	copy(super[6:], make([]byte, 6))
	p[0].sendWith(o, nil, super)
	want.RxFrames, want.RxBytes = 6, 2*want.RxBytes
	want.Drops[frame.DropSourceIsGroup] = 3
	wantStats(t, r.sw.Stats(p[0].id), want)
}

func wantStats(t *testing.T, got, want frame.Stats) {
	t.Helper()
	if got != want {
		t.Errorf("counters are %+v, want %+v", got, want)
	}
}

// A port's own drops are counted as its Tx says.
func TestDropsOfTheEgress(t *testing.T) {
	r := newRig(t)
	a := r.ports("a")[0]
	id, err := r.sw.AttachPort(vswitch.PortConfig{Name: "full", Network: "blue"}, fullPort{})
	r.must(err)
	a.send(eth(frame.Broadcast, mac(1)), eth(frame.Broadcast, mac(1)))
	var want frame.Stats
	want.Drops[frame.DropQueueFull] = 2
	wantStats(t, r.sw.Stats(id), want)
}

type fullPort struct{}

func (fullPort) NewTx() vswitch.Tx { return fullPort{} }

func (fullPort) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	for _, b := range bufs {
		t.Drop(frame.DropQueueFull, b)
	}
}

func TestTotalsStayWhenPortsGo(t *testing.T) {
	r := newRig(t)
	p := r.ports("a", "b")
	x := r.peer("x")
	p[0].send(eth(frame.Broadcast, mac(1)))
	x.send(eth(frame.Broadcast, mac(2)))
	r.drops(p[0], eth(mac(1), mac(3)), p[0], frame.DropSamePort)
	want := r.sw.Totals()
	for _, e := range []*end{p[0], x, p[1]} {
		r.must(r.sw.Detach(e.id))
		wantStats(t, r.sw.Totals(), want)
		wantStats(t, r.sw.Stats(e.id), frame.Stats{})
	}
	// Who gets the PortID next counts from zero.
	heir := r.ports("heir")[0]
	wantStats(t, r.sw.Stats(heir.id), frame.Stats{})
	wantStats(t, r.sw.Stats(frame.NoPort), frame.Stats{})
	wantStats(t, r.sw.Stats(math.MaxUint16), frame.Stats{})
}

func TestConfigurationErrors(t *testing.T) {
	r := newRig(t)
	r.ports("a")
	_, noNetwork := r.sw.AttachPort(vswitch.PortConfig{Network: "green"}, new(device))
	_, entries := r.sw.Entries("green")
	_, removed := r.sw.RemoveEntry("green", 0, mac(1))
	for what, c := range map[string]struct{ got, want error }{
		"name taken":             {r.sw.AddNetwork(vswitch.NetworkConfig{Name: "blue", VNI: 43}), vswitch.ErrNetworkExists},
		"VNI taken":              {r.sw.AddNetwork(vswitch.NetworkConfig{Name: "red", VNI: 42}), vswitch.ErrVNIInUse},
		"VNI 0":                  {r.sw.AddNetwork(vswitch.NetworkConfig{Name: "red"}), frame.ErrVNI},
		"VNI of 25 bits":         {r.sw.AddNetwork(vswitch.NetworkConfig{Name: "red", VNI: 1 << 24}), frame.ErrVNI},
		"no such network":        {r.sw.UpdateNetwork(vswitch.NetworkConfig{Name: "red"}), vswitch.ErrNoNetwork},
		"remove what is not":     {r.sw.RemoveNetwork("red"), vswitch.ErrNoNetwork},
		"remove with ports":      {r.sw.RemoveNetwork("blue"), vswitch.ErrNetworkBusy},
		"port in no network":     {noNetwork, vswitch.ErrNoNetwork},
		"entries of no network":  {entries, vswitch.ErrNoNetwork},
		"entry of no network":    {removed, vswitch.ErrNoNetwork},
		"update of no port":      {r.sw.UpdatePort(9, vswitch.PortConfig{}), vswitch.ErrNoPort},
		"update of no peer":      {r.sw.UpdatePeer(9, vswitch.PeerConfig{}), vswitch.ErrNoPort},
		"detach of PortID 0":     {r.sw.Detach(frame.NoPort), vswitch.ErrNoPort},
		"static entry to PortID": {r.sw.AddStatic("blue", 0, mac(1), 9), vswitch.ErrNoPort},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
}

func TestNetworkComesAndGoes(t *testing.T) {
	r := newRig(t)
	x, y := r.peer("x"), r.peer("y", "red") // named before it exists
	f := eth(frame.Broadcast, mac(1))
	r.drops(x.in(43), f, x, frame.DropUnknownVNI)
	for range 2 {
		r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
		ra := r.port(vswitch.PortConfig{Name: "ra", Network: "red"})
		r.reaches(ra, f, x, y)
		r.reaches(y.in(43), f, ra)
		r.knows("red", "y/1")
		r.detach(ra)
		r.must(r.sw.RemoveNetwork("red"))
		r.drops(x.in(43), f, x, frame.DropUnknownVNI)
	}
}
