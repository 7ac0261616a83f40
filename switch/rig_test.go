package vswitch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"weft/frame"
	vswitch "weft/switch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The words of this file: a rig is a switch with ports in memory, each with a
// queue that one goroutine serves. An end is where frames go in and come out: a
// port, or a remote VTEP in one network. Sending waits until the switch asks
// for the next batch, so that everything a frame caused has happened.

var errClosed = errors.New("queue closed")

// queue is a fake Rx that a test feeds in lock step.
type queue struct {
	in   chan func(*frame.Batch)
	done chan struct{}
	busy bool // of the serving goroutine
}

func newQueue() *queue {
	return &queue{in: make(chan func(*frame.Batch)), done: make(chan struct{})}
}

func (q *queue) ReadBatch(b *frame.Batch) error {
	if q.busy {
		q.done <- struct{}{}
	}
	fill := <-q.in
	if q.busy = fill != nil; !q.busy {
		return errClosed
	}
	b.Reset()
	fill(b)
	return nil
}

// give has one batch switched.
func (q *queue) give(fill func(*frame.Batch)) {
	q.in <- fill
	<-q.done
}

// device is a fake Port that keeps a clone of what it is given.
type device struct {
	mu  sync.Mutex
	got []*frame.Buf
}

func (d *device) NewTx() vswitch.Tx { return d }

func (d *device) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range bufs {
		d.got = append(d.got, b.Clone())
		t.Sent(b)
	}
}

func (d *device) take() []*frame.Buf {
	d.mu.Lock()
	defer d.mu.Unlock()
	got := d.got
	d.got = nil
	return got
}

// end is a port, or a remote VTEP as seen from one network.
type end struct {
	*device
	r     *rig
	name  string
	id    frame.PortID
	queue *queue
	vni   frame.VNI // of a remote VTEP's frames
	gone  bool      // detached
}

// in gives the remote VTEP in another network.
func (e *end) in(v frame.VNI) *end {
	o := *e
	o.vni = v
	return &o
}

type rig struct {
	t      testing.TB
	sw     *vswitch.Switch
	ends   []*end
	tunnel *queue
	served sync.WaitGroup
	queues []*queue
}

// newRig gives a switch with a network "blue" (VNI 42).
func newRig(t testing.TB) *rig {
	r := &rig{t: t, sw: vswitch.New()}
	r.network(vswitch.NetworkConfig{Name: "blue", VNI: 42})
	r.tunnel = r.serve(frame.NoPort)
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	for _, q := range r.queues {
		q.in <- nil
	}
	r.served.Wait()
}

func (r *rig) serve(id frame.PortID) *queue {
	q := newQueue()
	r.queues = append(r.queues, q)
	r.served.Go(func() {
		if err := r.sw.Serve(q, id); !errors.Is(err, errClosed) {
			r.t.Errorf("Serve gives %v", err)
		}
	})
	return q
}

func (r *rig) network(c vswitch.NetworkConfig) {
	r.t.Helper()
	if c.MTU == 0 {
		c.MTU = 1500
	}
	r.must(r.sw.AddNetwork(c))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// ports attaches transparent ports to blue.
func (r *rig) ports(names ...string) []*end {
	r.t.Helper()
	var list []*end
	for _, n := range names {
		list = append(list, r.port(vswitch.PortConfig{Name: n}))
	}
	return list
}

// port attaches a port, to blue when the configuration names no network.
func (r *rig) port(c vswitch.PortConfig) *end {
	r.t.Helper()
	if c.Network == "" {
		c.Network = "blue"
	}
	e := &end{device: new(device), r: r, name: c.Name}
	id, err := r.sw.AttachPort(c, e.device)
	r.must(err)
	e.id = id
	e.queue = r.serve(id)
	r.ends = append(r.ends, e)
	return e
}

// peer attaches a remote VTEP, seen from blue.
func (r *rig) peer(name string, networks ...string) *end {
	r.t.Helper()
	e := &end{device: new(device), r: r, name: name, queue: r.tunnel, vni: 42}
	id, err := r.sw.AttachPeer(vswitch.PeerConfig{Name: name, MTU: 1500, Networks: networks}, e.device)
	r.must(err)
	e.id = id
	r.ends = append(r.ends, e)
	return e
}

// detach removes an end; its device must get nothing more.
func (r *rig) detach(e *end) {
	r.t.Helper()
	r.must(r.sw.Detach(e.id))
	e.take()
	e.gone = true
}

// send has one batch of frames come from e, in memory of their own.
func (e *end) send(frames ...[]byte) {
	e.sendWith(frame.Offload{}, nil, frames...)
}

// sendWith sends frames with offload metadata and Frags.
func (e *end) sendWith(o frame.Offload, frags [][]byte, frames ...[]byte) {
	e.queue.give(func(batch *frame.Batch) {
		for _, f := range frames {
			b := batch.Next()
			b.Set(append(make([]byte, frame.Headroom), f...), frame.Headroom)
			b.Frags = append(b.Frags, frags...)
			b.Offload, b.VNI, b.Ingress = o, e.vni, e.id
		}
	})
}

// take gives and forgets what every end got.
func (r *rig) take() map[*end][]*frame.Buf {
	all := map[*end][]*frame.Buf{}
	for _, e := range r.ends {
		if got := e.take(); len(got) > 0 {
			all[e] = got
		}
	}
	return all
}

// reaches sends f from an end and wants it, unchanged and once, at the others
// named and nowhere else, and nothing counted as dropped.
func (r *rig) reaches(from *end, f []byte, to ...*end) {
	r.t.Helper()
	r.arrives(from, f, f, to...)
}

// arrives is reaches where the frame leaves as other bytes than it came.
func (r *rig) arrives(from *end, f, as []byte, to ...*end) {
	r.t.Helper()
	r.take()
	before := r.sw.Totals()
	from.send(f)
	after := r.sw.Totals()
	if before.Drops != after.Drops {
		r.t.Errorf("%s sends: drops were %v, are %v", from.name, before.DropMap(), after.DropMap())
	}
	got := r.take()
	for _, e := range r.ends {
		want := 0
		if slices.ContainsFunc(to, func(o *end) bool { return o.id == e.id && !e.gone }) {
			want = 1
		}
		if len(got[e]) != want {
			r.t.Errorf("%s sends: %s gets %d frames, want %d", from.name, e.name, len(got[e]), want)
			continue
		}
		for _, b := range got[e] {
			if !bytes.Equal(b.Head(), as) {
				r.t.Errorf("%s sends: %s gets\n%x, want\n%x", from.name, e.name, b.Head(), as)
			}
			if from.vni != 0 && b.VNI != from.vni {
				r.t.Errorf("%s sends: %s gets VNI %d, want %d", from.name, e.name, b.VNI, from.vni)
			}
		}
	}
}

// drops sends f and wants it delivered to nobody, and counted once, for the
// reason, at the end where; where is nil for the total alone.
func (r *rig) drops(from *end, f []byte, where *end, reason frame.DropReason) {
	r.t.Helper()
	r.take()
	total := r.sw.Totals()
	var at frame.Stats
	if where != nil {
		at = r.sw.Stats(where.id)
	}
	from.send(f)
	r.gained("the switch", total, r.sw.Totals(), reason, 1)
	if where != nil {
		r.gained(where.name, at, r.sw.Stats(where.id), reason, 1)
	}
	for e, got := range r.take() {
		r.t.Errorf("%s sends: %s gets %d frames, want none (%s)", from.name, e.name, len(got), reason)
	}
}

// gained wants the drops for the reason to have grown by n, and no others.
func (r *rig) gained(who string, before, after frame.Stats, reason frame.DropReason, n uint64) {
	r.t.Helper()
	before.Drops[reason] += n
	if before.Drops != after.Drops {
		r.t.Errorf("drops of %s are %v, want %v", who, after.DropMap(), before.DropMap())
	}
}

// knows wants the table of a network to be exactly so: "port/mac" or
// "port/mac/vlan", in any order.
func (r *rig) knows(network string, want ...string) {
	r.t.Helper()
	list, err := r.sw.Entries(network)
	r.must(err)
	var got []string
	for _, e := range list {
		name := fmt.Sprint(e.Port)
		for _, o := range r.ends {
			if o.id == e.Port {
				name = o.name
			}
		}
		s := fmt.Sprintf("%s/%d", name, e.MAC.Uint64()&0xffff_ffff)
		if e.VLAN != frame.Untagged {
			s += fmt.Sprintf("/%d", e.VLAN)
		}
		if e.Static {
			s += "/static"
		}
		got = append(got, s)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("%s knows %s, want %s", network, strings.Join(got, " "), strings.Join(want, " "))
	}
}

// mac gives the n-th station's address.
func mac(n int) frame.MAC { return frame.MACFromUint64(0x02_00_00_00_00_00 | uint64(n)) }

// payload is long enough that no test meets a padded frame.
var payload = bytes.Repeat([]byte("weft"), 12)

// eth gives an untagged frame.
func eth(dst, src frame.MAC) []byte {
	f := append(dst[:], src[:]...)
	f = append(f, 0x88, 0xb5) // an EtherType for local experiments (IEEE 802)
	return append(f, payload...)
}

// tagged gives f with a tag.
func tagged(f []byte, tci uint16) []byte {
	t := slices.Clone(f[:12])
	t = append(t, 0x81, 0x00)
	t = binary.BigEndian.AppendUint16(t, tci)
	return append(t, f[12:]...)
}
