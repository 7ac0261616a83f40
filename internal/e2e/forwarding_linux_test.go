package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/gopacket"

	"weft/ctl"
	"weft/internal/netnstest"
)

const (
	broadcast = "ff:ff:ff:ff:ff:ff"
	macX      = "02:00:00:00:0f:01"
	macY      = "02:00:00:00:0f:02"
	macZ      = "02:00:00:00:0f:03"
)

// site is two routers with two stations each on one network: s[0] and s[1] on
// a, s[2] and s[3] on b.
type site struct {
	a, b *router
	s    [4]*station
}

func newSite(t *testing.T, networkFlags string) *site {
	t.Helper()
	hosts := underlay(t, "a", "b")
	v := &site{a: start(t, hosts[0], "--vtep", "10.99.0.1"), b: start(t, hosts[1], "--vtep", "10.99.0.2")}
	v.a.weft("peer add 10.99.0.2")
	v.b.weft("peer add 10.99.0.1")
	for _, r := range []*router{v.a, v.b} {
		r.weft("network add blue --vni 42 %s", networkFlags)
	}
	for i := range v.s {
		r := v.a
		if i > 1 {
			r = v.b
		}
		v.s[i] = newStation(t, r, "blue", fmt.Sprintf("s%d", i), "")
	}
	return v
}

// Before an address is learned its frames flood, afterwards they do not.
func TestFloodThenUnicast(t *testing.T) {
	v := newSite(t, "")
	v.s[0].send(macY, macX, "to nobody yet")
	for _, s := range v.s[1:] {
		s.gets("to nobody yet")
	}
	v.s[3].send(macX, macY, "the answer")
	v.s[0].gets("the answer")
	v.s[1].misses("the answer")
	v.s[2].misses("the answer")
	v.s[0].send(macY, macX, "to somebody")
	v.s[3].gets("to somebody")
	v.s[1].misses("to somebody")
	v.s[2].misses("to somebody")

	if got := v.a.where(macY); got != "10.99.0.2" {
		t.Errorf("a has %s behind %q", macY, got)
	}
	if got := v.b.where(macX); got != "10.99.0.1" {
		t.Errorf("b has %s behind %q", macX, got)
	}
}

// From a tunnel never to a tunnel: three routers, a full mesh, one copy each.
func TestSplitHorizon(t *testing.T) {
	hosts := underlay(t, "a", "b", "c")
	var routers [3]*router
	var stations [3]*station
	for i, h := range hosts {
		routers[i] = start(t, h, "--vtep", fmt.Sprintf("10.99.0.%d", i+1))
		routers[i].weft("network add blue --vni 42")
		for j := range hosts {
			if j != i {
				routers[i].weft("peer add 10.99.0.%d", j+1)
			}
		}
		stations[i] = newStation(t, routers[i], "blue", fmt.Sprintf("s%d", i), "")
	}
	stations[0].send(broadcast, macX, "hello all")
	for _, s := range stations[1:] {
		s.gets("hello all")
		s.misses("hello all") // no second copy by way of the third router
	}
	stations[0].misses("hello all (as if from elsewhere)")
}

// An address ages out although traffic still goes to it.
func TestAgeing(t *testing.T) {
	v := newSite(t, "--age 2s")
	v.s[1].send(broadcast, macY, "here I am")
	v.s[0].gets("here I am")
	if v.a.where(macY) != "s1" {
		t.Fatal("not learned")
	}
	netnstest.Poll(t, patience, func() bool {
		v.s[0].send(macY, macX, "knock")
		return v.a.where(macY) == "" && v.b.where(macY) == ""
	}, "the address is forgotten")
	v.s[0].send(macY, macX, "anybody?")
	v.s[1].gets("anybody?")
	v.s[2].gets("anybody?")
}

// A station moves: the first frame from the new place counts, at once.
func TestMoves(t *testing.T) {
	v := newSite(t, "")
	v.s[0].send(broadcast, macZ, "witness") // the one who talks to the mover
	steps := []struct {
		name   string
		to     int
		behind string // as a sees it
	}{
		{"appears", 1, "s1"},
		{"local to local", 0, "s0"},
		{"local to remote", 2, "10.99.0.2"},
		{"remote to local", 1, "s1"},
		{"back", 3, "10.99.0.2"},
	}
	for i, step := range steps {
		announce := fmt.Sprintf("announce %d", i)
		v.s[step.to].send(broadcast, macX, announce)
		for j, s := range v.s {
			if j != step.to {
				s.gets(announce)
			}
		}
		if got := v.a.where(macX); got != step.behind {
			t.Errorf("%s: a has it behind %q, want %q", step.name, got, step.behind)
		}
		// A frame for the mover goes there and nowhere else.
		from, word := (step.to+1)%4, fmt.Sprintf("for you %d", i)
		v.s[from].send(macX, macY, word)
		v.s[step.to].gets(word)
		for j, s := range v.s {
			if j != step.to && j != from {
				s.misses(word)
			}
		}
	}
}

// Remote to remote: a sees a station go from b to c.
func TestMoveBetweenPeers(t *testing.T) {
	hosts := underlay(t, "a", "b", "c")
	var stations [3]*station
	var a *router
	for i, h := range hosts {
		r := start(t, h, "--vtep", fmt.Sprintf("10.99.0.%d", i+1))
		if i == 0 {
			a = r
		}
		r.weft("network add blue --vni 42")
		for j := range hosts {
			if j != i {
				r.weft("peer add 10.99.0.%d", j+1)
			}
		}
		stations[i] = newStation(t, r, "blue", fmt.Sprintf("s%d", i), "")
	}
	for _, at := range []int{1, 2, 1} {
		word := fmt.Sprintf("now at %d", at)
		stations[at].send(broadcast, macX, word)
		stations[0].gets(word)
		if want := fmt.Sprintf("10.99.0.%d", at+1); a.where(macX) != want {
			t.Errorf("a has it behind %q, want %q", a.where(macX), want)
		}
	}
}

// A static entry stays where it was put, and who contradicts it is counted.
func TestStaticEntries(t *testing.T) {
	v := newSite(t, "")
	v.a.weft("fdb add blue %s --port s1", macX)
	v.a.weft("fdb add blue %s --peer 10.99.0.2", macY)
	v.s[0].send(macX, macZ, "pinned local")
	v.s[1].gets("pinned local")
	v.s[2].misses("pinned local")
	v.s[0].send(broadcast, macX, "impostor")
	v.s[1].misses("impostor")
	if got := v.a.port("s0").Drops["static_violation"]; got != 1 {
		t.Errorf("static_violation %d, want 1", got)
	}
	if e := v.a.entry("blue", macX); e == nil || e.Kind != ctl.KindStatic || e.Port != "s1" {
		t.Errorf("the entry is %+v", e)
	}
	v.a.weft("fdb flush")
	if v.a.where(macY) != "10.99.0.2" {
		t.Error("a flush took a static entry")
	}
	v.a.weft("fdb rm blue %s", macX)
	v.s[0].send(broadcast, macX, "welcome")
	v.s[1].gets("welcome")
}

// Under a flood of addresses the table stays bounded and the others keep theirs.
func TestFDBLimit(t *testing.T) {
	r := start(t, netnstest.NewHost(t, "a"))
	r.weft("network add blue --vni 1 --fdb-limit 10")
	var s [6]*station
	for i := range s {
		s[i] = newStation(t, r, "blue", fmt.Sprintf("s%d", i), "")
	}
	for i := range 5 {
		for j := range 2 {
			s[i].send(broadcast, fmt.Sprintf("02:00:00:00:0%d:0%d", i, j), "mine")
		}
	}
	netnstest.Poll(t, patience, func() bool { return len(ask[[]ctl.FDBEntry](r, "fdb ls blue")) == 10 }, "ten addresses")
	for i := range 16 {
		s[5].send(broadcast, fmt.Sprintf("02:00:00:00:ff:%02x", i), fmt.Sprintf("flood %d", i))
	}
	s[0].gets("flood 15")
	held := map[ctl.Nullable]int{}
	for _, e := range ask[[]ctl.FDBEntry](r, "fdb ls blue") {
		held[e.Port]++
	}
	total, others := 0, 0
	for port, n := range held {
		total += n
		if port != "s5" {
			others += n
		}
	}
	if total != 10 || held["s5"] > 2 || others < 8 {
		t.Errorf("after the flood the ports hold %v", held)
	}
}

// A bound for each port: one with many addresses gives up its own oldest.
func TestPortFDBLimit(t *testing.T) {
	r := start(t, netnstest.NewHost(t, "a"))
	r.weft("network add blue --vni 1 --port-fdb-limit 2")
	many, one := newStation(t, r, "blue", "many", ""), newStation(t, r, "blue", "one", "")
	one.send(broadcast, macX, "one")
	many.gets("one")
	for i := range 5 {
		many.send(broadcast, fmt.Sprintf("02:00:00:00:ff:%02x", i), fmt.Sprintf("many %d", i))
	}
	one.gets("many 4")
	held := map[ctl.Nullable]int{}
	for _, e := range ask[[]ctl.FDBEntry](r, "fdb ls blue") {
		held[e.Port]++
	}
	if held["many"] != 2 || held["one"] != 1 {
		t.Errorf("the ports hold %v", held)
	}
}

// A flush takes effect at once: by port, by peer, by network.
func TestFlush(t *testing.T) {
	v := newSite(t, "")
	v.s[1].send(broadcast, macX, "x")
	v.s[2].send(broadcast, macY, "y")
	v.s[0].gets("x")
	v.s[0].gets("y")
	v.a.weft("fdb flush --port s1")
	if v.a.where(macX) != "" || v.a.where(macY) != "10.99.0.2" {
		t.Error("flush by port")
	}
	v.a.weft("fdb flush blue --peer 10.99.0.2")
	if v.a.where(macY) != "" {
		t.Error("flush by peer")
	}
	v.s[0].send(macX, macZ, "floods again")
	v.s[1].gets("floods again")
}

// Bridges consume STP, LACP and LLDP, unless the network is told to pass them.
func TestReservedAddresses(t *testing.T) {
	r := start(t, netnstest.NewHost(t, "a"))
	r.weft("network add blue --vni 1")
	r.weft("network add lab --vni 2 --forward-reserved")
	b0, b1 := newStation(t, r, "blue", "b0", ""), newStation(t, r, "blue", "b1", "")
	l0, l1 := newStation(t, r, "lab", "l0", ""), newStation(t, r, "lab", "l1", "")
	const lldp = "01:80:c2:00:00:0e"
	b0.send(lldp, macX, "lldp")
	b1.misses("lldp")
	if got := r.port("b0").Drops["reserved_address"]; got != 1 {
		t.Errorf("reserved_address %d, want 1", got)
	}
	l0.send(lldp, macX, "lldp")
	l1.gets("lldp")
}

// A group address is nobody's source.
func TestSourceIsGroup(t *testing.T) {
	v := newSite(t, "")
	v.s[0].send(broadcast, "03:00:00:00:00:01", "from a group")
	v.s[0].send(broadcast, "00:00:00:00:00:00", "from nobody")
	v.s[1].misses("from a group")
	v.s[2].misses("from nobody")
	if got := v.a.port("s0").Drops["source_is_group"]; got != 2 {
		t.Errorf("source_is_group %d, want 2", got)
	}
}

// Tagged frames are carried; the same MAC may be elsewhere in another VLAN.
func TestTaggedFrames(t *testing.T) {
	v := newSite(t, "")
	netnstest.Inject(t, v.s[0].host, "eth0", ethernet(broadcast, macX, 10, "ten"))
	v.s[1].see.WaitFor(carries("ten", 10), patience)
	v.s[2].see.WaitFor(carries("ten", 10), patience)
	netnstest.Inject(t, v.s[2].host, "eth0", ethernet(broadcast, macX, 20, "twenty"))
	v.s[0].see.WaitFor(carries("twenty", 20), patience)
	got := map[uint16]string{}
	for _, e := range ask[[]ctl.FDBEntry](v.a, "fdb ls blue") {
		if e.MAC == macX {
			got[e.VLAN] = string(e.Port + e.Peer)
		}
	}
	if got[10] != "s0" || got[20] != "10.99.0.2" {
		t.Errorf("%s is at %v", macX, got)
	}
}

// Access and trunk ports, across the tunnel.
func TestAccessAndTrunk(t *testing.T) {
	hosts := underlay(t, "a", "b")
	a, b := start(t, hosts[0], "--vtep", "10.99.0.1"), start(t, hosts[1], "--vtep", "10.99.0.2")
	a.weft("network add blue --vni 42")
	b.weft("network add blue --vni 42")
	a.weft("peer add 10.99.0.2")
	b.weft("peer add 10.99.0.1")
	ten := newStation(t, a, "blue", "ten", "--access 10")
	twenty := newStation(t, a, "blue", "twenty", "--access 20")
	trunk := newStation(t, a, "blue", "trunk", "--trunk 10,30-39 --native 20")
	far := newStation(t, b, "blue", "far", "--access 10")
	whole := newStation(t, b, "blue", "whole", "")

	ten.send(broadcast, macX, "in ten")
	far.gets("in ten")
	trunk.see.WaitFor(carries("in ten", 10), patience)
	whole.see.WaitFor(carries("in ten", 10), patience)
	twenty.misses("in ten")

	twenty.send(broadcast, macY, "in twenty")
	trunk.gets("in twenty") // its native VLAN
	ten.misses("in twenty")
	far.misses("in twenty")

	inject := func(s *station, vlan uint16, word string) {
		netnstest.Inject(t, s.host, "eth0", ethernet(broadcast, macZ, vlan, word))
	}
	inject(trunk, 10, "tagged ten")
	ten.gets("tagged ten")
	far.gets("tagged ten")
	inject(trunk, 11, "not carried")
	whole.misses("not carried")
	inject(ten, 10, "tag on access")
	far.misses("tag on access")
	if a.port("trunk").Drops["vlan_filtered"] != 1 || a.port("ten").Drops["vlan_filtered"] != 1 {
		t.Errorf("vlan_filtered: trunk %v, ten %v, want 1 each", a.port("trunk").Drops, a.port("ten").Drops)
	}
	if got := a.port("trunk").VLAN; got != "trunk 10,30-39 native 20" {
		t.Errorf("port show says VLAN %q", got)
	}
}

// TCP between access ports: superframes get a tag on the way and lose it again.
// The second server is behind a kernel bridge between two trunks, which sees
// the tagged superframes.
func TestTCPAcrossVLANs(t *testing.T) {
	hosts := underlay(t, "a", "b")
	a, b := start(t, hosts[0], "--vtep", "10.99.0.1"), start(t, hosts[1], "--vtep", "10.99.0.2")
	for i, r := range []*router{a, b} {
		r.weft("network add blue --vni 42")
		r.weft("peer add 10.99.0.%d", 2-i)
	}
	access, near, far, patch := netnstest.NewHost(t, "access"), netnstest.NewHost(t, "near"), netnstest.NewHost(t, "far"), netnstest.NewHost(t, "patch")
	a.weft("port add blue access --netns access --as eth0 --access 10 --address 10.77.0.1/24")
	b.weft("port add blue near --netns near --as eth0 --access 10 --address 10.77.0.2/24")
	b.weft("port add blue patch0 --netns patch --as eth0 --trunk 10")
	b.weft("network add green --vni 43 --mtu 1450")
	b.weft("port add green patch1 --netns patch --as eth1 --trunk 10")
	b.weft("port add green far --netns far --as eth0 --access 10 --address 10.77.0.3/24")
	bridge(t, patch, "eth0", "eth1")
	tagged := netnstest.NewCapture(t, patch, "eth0")

	for _, to := range []struct {
		host *netnstest.Host
		addr string
	}{{near, "10.77.0.2"}, {far, "10.77.0.3"}} {
		netnstest.TransferTCP(t, access, to.host, to.addr, 8<<20)
		netnstest.TransferTCP(t, to.host, access, "10.77.0.1", 8<<20)
		netnstest.UDPEcho(t, access, to.host, to.addr, 1, 1000, 8192)
	}
	if netnstest.Plain() {
		return // there are no superframes
	}
	tagged.WaitFor(func(p gopacket.Packet) bool { return vlanOf(p) == 10 && len(p.Data()) > 1500 }, patience)
}

// What is larger than fits is counted, and the sender is told.
func TestOversize(t *testing.T) {
	p := newPair(t)
	p.web1.MustPing(t, "10.77.0.2", 1)
	if mtu := p.a.port("web").MTU; mtu != 1450 {
		t.Errorf("the port's MTU is %d, want the underlay's less 50", mtu)
	}
	setMTU(t, p.web1, "eth0", 1500) // an operator who knows better
	see := netnstest.NewCapture(t, p.web1, "eth0")
	if _, err := p.web1.PingSize("10.77.0.2", 1, 1472, time.Second); err == nil {
		t.Error("a packet of 1500 bytes crossed a tunnel of 1450")
	}
	see.WaitFor(func(pkt gopacket.Packet) bool { return isTooBig(pkt, 1450) }, patience)
	if got := p.a.port("web").Drops["too_big"]; got == 0 {
		t.Error("too_big was not counted")
	}
	// Having been told, the sender's kernel cuts its packets itself.
	netnstest.UDPEcho(t, p.web1, p.web2, "10.77.0.2", 8192)
	netnstest.TransferTCP(t, p.web1, p.web2, "10.77.0.2", 1<<20)
}
