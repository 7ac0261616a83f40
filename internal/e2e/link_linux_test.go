package e2e

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"weft/internal/netnstest"
)

// twoPorts is one router with two clients: web1 (10.77.0.1) behind port web,
// web2 (10.77.0.2) behind port db.
func twoPorts(t *testing.T) (r *router, web1, web2 *netnstest.Host) {
	t.Helper()
	r = start(t, netnstest.NewHost(t, "a"))
	web1, web2 = netnstest.NewHost(t, "web1"), netnstest.NewHost(t, "web2")
	r.weft("network add blue --vni 42")
	r.weft("port add blue web --netns web1 --as eth0 --address 10.77.0.1/24")
	r.weft("port add blue db --netns web2 --as eth0 --address 10.77.0.2/24")
	return r, web1, web2
}

func TestLinkDelay(t *testing.T) {
	r, web1, _ := twoPorts(t)
	web1.MustPing(t, "10.77.0.2", 1)
	expect := func(what string, least, most time.Duration) {
		t.Helper()
		times, err := web1.Ping("10.77.0.2", 5, patience)
		if err != nil || len(times) != 5 {
			t.Fatalf("%s: %v, %v", what, times, err)
		}
		shortest := times[0]
		for _, d := range times {
			shortest = min(shortest, d)
		}
		// The most is generous: a machine may be slow, the fastest of five is
		// still not the next setting's.
		if shortest < least || shortest > most {
			t.Errorf("%s: %v, want %v to %v", what, shortest, least, most)
		}
	}
	r.weft("port set web --delay 100ms")
	expect("both ways", 200*time.Millisecond, 290*time.Millisecond)
	r.weft("port set web --clear --from")
	expect("to the client", 100*time.Millisecond, 190*time.Millisecond)
	r.weft("port set db --delay 200ms --from")
	expect("to one and from the other", 300*time.Millisecond, 390*time.Millisecond)
	r.weft("port set web --clear")
	r.weft("port set db --clear")
	expect("cleared", 0, 90*time.Millisecond)
	if d := r.port("web").Drops; d["link_loss"]+d["link_down"]+d["link_queue_full"] != 0 {
		t.Errorf("dropped %v", d)
	}
}

// Superframes are cut for a rate and for loss, and TCP recovers.
func TestLinkTCP(t *testing.T) {
	r, web1, web2 := twoPorts(t)
	r.weft("port set web --loss 0.5%% --duplicate 1%% --corrupt 0.1%% --rate 500mbit --seed 1")
	netnstest.TransferTCP(t, web1, web2, "10.77.0.2", 4<<20)
	netnstest.TransferTCP(t, web2, web1, "10.77.0.1", 4<<20)
	p := r.port("web")
	if p.Drops["link_loss"] == 0 {
		t.Errorf("nothing was lost: %+v", p)
	}
	if p.TxFrames < 2900 || p.RxFrames < 2900 {
		t.Errorf("%d and %d frames for 4 MiB each way", p.TxFrames, p.RxFrames)
	}
}

func TestLinkDown(t *testing.T) {
	r, web1, web2 := twoPorts(t)
	web1.MustPing(t, "10.77.0.2", 1)
	running := func() bool {
		link, err := web1.Netlink().LinkByName("eth0")
		return err == nil && link.Attrs().OperState != netlink.OperDown
	}
	r.weft("port set web down")
	web1.MustNotPing(t, "10.77.0.2", time.Second)
	web2.MustNotPing(t, "10.77.0.1", time.Second)
	netnstest.Poll(t, patience, func() bool { return !running() }, "the interface has no carrier")
	p := r.port("web")
	if p.State != "down" || p.Reason == "" || p.Drops["link_down"] == 0 {
		t.Errorf("%+v", p)
	}
	before := p.Drops["link_down"]
	r.weft("port set web up")
	web1.MustPing(t, "10.77.0.2", 1)
	web2.MustPing(t, "10.77.0.1", 1)
	p = r.port("web")
	if p.State != "up" || p.Reason != "" || p.Drops["link_down"] < before {
		t.Errorf("%+v", p)
	}
	total := ask[struct{ Drops map[string]uint64 }](r, "stats").Drops["link_down"]
	r.weft("port rm web")
	if after := ask[struct{ Drops map[string]uint64 }](r, "stats").Drops["link_down"]; total == 0 || after < total {
		t.Errorf("%d dropped over all, and %d when the port is gone", total, after)
	}
}

// A configuration's conditions hold from the start, and apply changes them.
func TestLinkApply(t *testing.T) {
	config := func(impair string) string {
		return "networks:\n  blue:\n    vni: 42\n    ports:\n" +
			"      web: {netns: web1, as: eth0, address: 10.77.0.1/24" + impair + "}\n" +
			"      db: {netns: web2, as: eth0, address: 10.77.0.2/24}\n"
	}
	a, web1 := netnstest.NewHost(t, "a"), netnstest.NewHost(t, "web1")
	netnstest.NewHost(t, "web2")
	r := start(t, a, "-c", file(t, config(", impair: {loss: 100%}")))
	web1.MustNotPing(t, "10.77.0.2", time.Second)
	out := r.weft("apply -f %s", file(t, config("")))
	if want := "~ port web: impair loss 100% -> default\n"; out != want {
		t.Errorf("apply says %q, want %q", out, want)
	}
	web1.MustPing(t, "10.77.0.2", 1)
	r.weft("port set web --delay 1ms")
	if out := r.weft("apply -f %s", file(t, config(", impair: {delay: 1ms}"))); out != "nothing to change\n" {
		t.Errorf("apply says %q", out)
	}
}
