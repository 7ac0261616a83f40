package vswitch_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/frame"
	vswitch "weft/switch"
)

// guarded is a port that must not be written to once it is gone, and gets only
// frames of its own network.
type guarded struct {
	t       *testing.T
	network byte
	gone    atomic.Bool
	frames  atomic.Uint64
}

func (g *guarded) NewTx() vswitch.Tx { return guardedTx{g} }

type guardedTx struct{ g *guarded }

func (x guardedTx) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	if x.g.gone.Load() {
		x.g.t.Error("WriteBatch on a port that was detached")
	}
	for _, b := range bufs {
		if h := b.Head(); h[len(h)-1] != x.g.network {
			x.g.t.Errorf("a frame of network %d at a port of network %d", h[len(h)-1], x.g.network)
		}
		t.Sent(b)
	}
	x.g.frames.Add(uint64(len(bufs)))
}

// generator is an Rx that never waits: random frames between few addresses, of
// one network.
type generator struct {
	stop    *atomic.Bool
	rng     *rand.Rand
	network byte
	from    func(*rand.Rand) frame.PortID // nil: Serve knows
	mem     [frame.BatchSize][]byte
}

func (g *generator) ReadBatch(b *frame.Batch) error {
	if g.stop.Load() {
		return errClosed
	}
	b.Reset()
	for i := range 1 + g.rng.IntN(frame.BatchSize) {
		f := append(g.mem[i][:0], make([]byte, frame.Headroom)...)
		f = append(f, eth(mac(g.rng.IntN(8)), mac(1+g.rng.IntN(7)))...)
		g.mem[i] = append(f, g.network)
		buf := b.Next()
		buf.Set(g.mem[i], frame.Headroom)
		buf.VNI = 42 + frame.VNI(g.network)
		if g.from != nil {
			buf.Ingress = g.from(g.rng)
		}
	}
	return nil
}

// Ports of two networks come and go under traffic, so that PortIDs change
// hands between them all the time.
func TestReconfigurationUnderTraffic(t *testing.T) {
	sw := vswitch.New()
	networks := []string{"blue", "red"}
	for i, n := range networks {
		if err := sw.AddNetwork(vswitch.NetworkConfig{Name: n, VNI: 42 + frame.VNI(i), MTU: 1500, FDBLimit: 20}); err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	var traffic, changes sync.WaitGroup
	serve := func(g *generator, id frame.PortID) { _ = sw.Serve(g, id) }

	// Ports that stay, so that there is always traffic.
	var stay []*guarded
	for i, n := range networks {
		for j := range 2 {
			g := &guarded{t: t, network: byte(i)}
			stay = append(stay, g)
			id, err := sw.AttachPort(vswitch.PortConfig{Name: fmt.Sprint(n, j), Network: n}, g)
			if err != nil {
				t.Fatal(err)
			}
			gen := &generator{stop: &stop, rng: rand.New(rand.NewPCG(uint64(i), uint64(j))), network: byte(i)}
			traffic.Go(func() { serve(gen, id) })
		}
	}
	// The tunnel names remote VTEPs that may be long gone.
	for i := range networks {
		gen := &generator{
			stop: &stop, rng: rand.New(rand.NewPCG(9, uint64(i))), network: byte(i),
			from: func(r *rand.Rand) frame.PortID { return frame.PortID(r.IntN(24)) },
		}
		traffic.Go(func() { serve(gen, frame.NoPort) })
	}

	until := time.Now().Add(time.Second)
	for i := range 3 {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		changes.Go(func() {
			for time.Now().Before(until) {
				which := rng.IntN(2)
				// A port, or a remote VTEP that reaches one network only.
				g := &guarded{t: t, network: byte(which)}
				var id frame.PortID
				var err error
				var own atomic.Bool
				var served sync.WaitGroup
				if rng.IntN(2) == 0 {
					id, err = sw.AttachPort(vswitch.PortConfig{Name: "p", Network: networks[which]}, g)
					gen := &generator{stop: &own, rng: rand.New(rand.NewPCG(rng.Uint64(), 0)), network: byte(which)}
					served.Go(func() { serve(gen, id) })
				} else {
					id, err = sw.AttachPeer(vswitch.PeerConfig{Name: "v", MTU: 1500, Networks: networks[which : which+1]}, g)
				}
				if err != nil {
					t.Error(err)
					return
				}
				switch rng.IntN(5) {
				case 0:
					_ = sw.AddStatic(networks[which], 0, mac(rng.IntN(8)), id)
				case 1:
					_, _ = sw.Flush("", id)
				case 2:
					_ = sw.SetPort(id, nil)
				case 3:
					// Once SetPort returns the former device gets nothing.
					former := g
					g = &guarded{t: t, network: byte(which)}
					_ = sw.SetPort(id, g)
					former.gone.Store(true)
				case 4:
					_ = sw.UpdateNetwork(vswitch.NetworkConfig{Name: networks[which], MTU: 1500, FDBLimit: 10 + rng.IntN(20)})
				}
				time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
				own.Store(true)
				served.Wait() // a port's queue ends before the port is detached
				if err := sw.Detach(id); err != nil {
					t.Error(err)
				}
				g.gone.Store(true)
			}
		})
	}
	// Totals only grow.
	changes.Go(func() {
		var last frame.Stats
		for time.Now().Before(until) {
			now := sw.Totals()
			if now.RxFrames < last.RxFrames || now.TxBytes < last.TxBytes {
				t.Errorf("totals fell from %+v to %+v", last, now)
			}
			for reason := range now.Drops {
				if now.Drops[reason] < last.Drops[reason] {
					t.Errorf("%s fell from %d to %d", frame.DropReason(reason), last.Drops[reason], now.Drops[reason])
				}
			}
			last = now
		}
	})
	changes.Wait()
	stop.Store(true)
	traffic.Wait()
	for _, g := range stay {
		if g.frames.Load() == 0 {
			t.Error("a port that stayed got no frame")
		}
	}
}
