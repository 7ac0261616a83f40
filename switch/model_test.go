package vswitch_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"weft/frame"
	vswitch "weft/switch"
)

// model is a switch in the plainest words: maps, one frame at a time, no
// batches, no table. It knows learning, flooding, VLAN policies, split horizon,
// static entries and ports that are down, for two networks.
type model struct {
	ends map[frame.PortID]*modelEnd
	fdb  map[modelKey]modelEntry
}

type modelEnd struct {
	network frame.VNI // 0: a remote VTEP
	reach   map[frame.VNI]bool
	down    bool
	access  frame.VLAN
	trunk   map[frame.VLAN]bool // nil: not a trunk
	native  frame.VLAN
}

type modelKey struct {
	network frame.VNI
	vlan    frame.VLAN
	mac     frame.MAC
}

type modelEntry struct {
	port   frame.PortID
	static bool
}

// modelFrame is a frame on its way.
type modelFrame struct {
	from     frame.PortID
	vni      frame.VNI
	dst, src frame.MAC
	tag      int // -1: none
}

// delivery says how a frame looks at an end, its tag being -1 for none.
type delivery struct {
	to  frame.PortID
	n   int // which of the batch
	tag int
}

// classifyVLAN gives the VLAN of a frame, -1 when it is filtered.
func (e *modelEnd) classifyVLAN(tag int) int {
	id := 0
	if tag > 0 {
		id = tag & 0xfff
	}
	switch {
	case e.access != 0 && id != 0:
		return -1
	case e.access != 0:
		return int(e.access)
	case e.trunk != nil && id == 0 && e.native == 0:
		return -1
	case e.trunk != nil && id == 0:
		return int(e.native)
	case e.trunk != nil && !e.trunk[frame.VLAN(id)]:
		return -1
	}
	return id
}

// leaves gives the tag with which a frame of the VLAN leaves, false when it
// does not.
func (e *modelEnd) leaves(vlan, tag int) (int, bool) {
	full := vlan
	if tag >= 0 {
		full |= tag & 0xf000
	}
	v := frame.VLAN(vlan)
	switch {
	case e.access != 0:
		return -1, v == e.access
	case e.trunk != nil && v != 0 && v == e.native:
		return -1, true
	case e.trunk != nil:
		return full, e.trunk[v]
	case vlan == 0:
		return tag, true // as it came
	}
	return full, true
}

func (m *model) inNetwork(id frame.PortID, vni frame.VNI) bool {
	e := m.ends[id]
	if e.network == 0 {
		return e.reach[vni]
	}
	return e.network == vni
}

// batch gives the deliveries of frames that arrive together: all are learned
// before any is sent.
func (m *model) batch(frames []modelFrame) map[delivery]int {
	all := map[delivery]int{}
	vlans := make([]int, len(frames))
	for i, f := range frames {
		in := m.ends[f.from]
		vlans[i] = -1
		reserved := f.dst.Uint64()&^0xf == 0x0180c2000000
		if in.down || !m.inNetwork(f.from, f.vni) || f.src.IsGroup() || f.src.IsZero() || reserved {
			continue
		}
		vlan := in.classifyVLAN(f.tag)
		if vlan < 0 {
			continue
		}
		key := modelKey{f.vni, frame.VLAN(vlan), f.src}
		if old, ok := m.fdb[key]; ok && old.static {
			if old.port != f.from {
				continue
			}
		} else {
			m.fdb[key] = modelEntry{port: f.from}
		}
		vlans[i] = vlan
	}
	for i, f := range frames {
		if vlans[i] < 0 {
			continue
		}
		to, known := m.fdb[modelKey{f.vni, frame.VLAN(vlans[i]), f.dst}]
		for id, e := range m.ends {
			out, carries := e.leaves(vlans[i], f.tag)
			tunnels := e.network == 0 && m.ends[f.from].network == 0
			if id == f.from || !m.inNetwork(id, f.vni) || e.down || tunnels || !carries {
				continue
			}
			if known && to.port != id {
				continue
			}
			all[delivery{id, i, out}]++
		}
	}
	return all
}

// forget removes what was learned where keep is false.
func (m *model) forget(gone func(modelKey, modelEntry) bool) {
	for k, e := range m.fdb {
		if gone(k, e) {
			delete(m.fdb, k)
		}
	}
}

// pair is a switch and the model of it.
type pair struct {
	r    *rig
	m    model
	rng  *rand.Rand
	list []*end
}

func (p *pair) mac() frame.MAC {
	switch n := p.rng.IntN(20); n {
	case 0:
		return frame.Broadcast
	case 1:
		return frame.MAC{0x01, 0, 0x5e, 0, 0, 1}
	case 2:
		return frame.MAC{0x01, 0x80, 0xc2, 0, 0, byte(p.rng.IntN(32))}
	case 3:
		return frame.MAC{}
	default:
		return mac(n)
	}
}

func (p *pair) policy() (vswitch.VLANPolicy, *modelEnd) {
	switch p.rng.IntN(4) {
	case 0:
		v := frame.VLAN(5 + p.rng.IntN(2))
		return access(v), &modelEnd{access: v}
	case 1:
		native := frame.VLAN(0)
		if p.rng.IntN(2) == 0 {
			native = frame.VLAN(5 + p.rng.IntN(3))
		}
		return trunk(native, 5, 6), &modelEnd{trunk: map[frame.VLAN]bool{5: true, 6: true}, native: native}
	}
	return vswitch.VLANPolicy{}, &modelEnd{}
}

func (p *pair) attach() {
	if p.rng.IntN(3) == 0 {
		e := &modelEnd{reach: map[frame.VNI]bool{42: true, 43: true}}
		var names []string
		if p.rng.IntN(2) == 0 {
			names = []string{"red"}
			e.reach[42] = false
		}
		end := p.r.peer(fmt.Sprint("peer", len(p.r.ends)), names...)
		p.m.ends[end.id] = e
		p.list = append(p.list, end)
		return
	}
	c := vswitch.PortConfig{Name: fmt.Sprint("port", len(p.r.ends)), Network: "blue"}
	vlans, e := p.policy()
	e.network, c.VLAN = 42, vlans
	if p.rng.IntN(3) == 0 {
		e.network, c.Network = 43, "red"
	}
	end := p.r.port(c)
	p.m.ends[end.id] = e
	p.list = append(p.list, end)
}

// operate changes something, in the switch and in the model.
func (p *pair) operate() {
	i := p.rng.IntN(len(p.list))
	e := p.list[i]
	me := p.m.ends[e.id]
	ofPort := func(_ modelKey, x modelEntry) bool { return x.port == e.id && !x.static }
	switch p.rng.IntN(8) {
	case 0:
		if len(p.list) > 2 {
			p.r.detach(e)
			p.list = append(p.list[:i], p.list[i+1:]...)
			delete(p.m.ends, e.id)
			p.m.forget(func(_ modelKey, x modelEntry) bool { return x.port == e.id })
		}
	case 1:
		if len(p.list) < 12 {
			p.attach()
		}
	case 2:
		_, err := p.r.sw.Flush("", e.id)
		p.r.must(err)
		p.m.forget(ofPort)
	case 3:
		_, err := p.r.sw.Flush("blue", frame.NoPort)
		p.r.must(err)
		p.m.forget(func(k modelKey, x modelEntry) bool { return k.network == 42 && !x.static })
	case 4:
		if me.network == 0 {
			return
		}
		vlans, with := p.policy()
		p.r.must(p.r.sw.UpdatePort(e.id, vswitch.PortConfig{VLAN: vlans}))
		if me.access != with.access || me.native != with.native || (me.trunk == nil) != (with.trunk == nil) {
			p.m.forget(ofPort)
		}
		me.access, me.trunk, me.native = with.access, with.trunk, with.native
	case 5:
		if me.network == 0 {
			return
		}
		if me.down = !me.down; me.down {
			p.r.must(p.r.sw.SetPort(e.id, nil))
			p.m.forget(ofPort)
		} else {
			p.r.must(p.r.sw.SetPort(e.id, e.device))
		}
	case 6:
		vni, name := frame.VNI(42), "blue"
		if me.network == 43 || (me.network == 0 && !me.reach[42]) {
			vni, name = 43, "red"
		}
		k := modelKey{vni, frame.VLAN(p.rng.IntN(2) * 5), mac(4 + p.rng.IntN(16))}
		if p.rng.IntN(2) == 0 {
			p.r.must(p.r.sw.AddStatic(name, k.vlan, k.mac, e.id))
			p.m.fdb[k] = modelEntry{e.id, true}
		} else {
			_, err := p.r.sw.RemoveEntry(name, k.vlan, k.mac)
			p.r.must(err)
			delete(p.m.fdb, k)
		}
	case 7:
		if me.network != 0 {
			return
		}
		c := vswitch.PeerConfig{MTU: 1500, Networks: []string{"red"}}
		if me.reach[42] = !me.reach[42]; me.reach[42] {
			c.Networks = nil
		} else {
			p.m.forget(func(k modelKey, x modelEntry) bool { return k.network == 42 && x.port == e.id })
		}
		p.r.must(p.r.sw.UpdatePeer(e.id, c))
	}
}

// traffic sends a batch of random frames from one queue and compares.
func (p *pair) traffic() {
	e := p.list[p.rng.IntN(len(p.list))]
	var frames []modelFrame
	var sent [][]byte
	var from []*end
	for range 1 + p.rng.IntN(6) {
		me := p.m.ends[e.id]
		f := modelFrame{from: e.id, vni: me.network, dst: p.mac(), src: p.mac(), tag: -1}
		if me.network == 0 {
			f.vni = frame.VNI(42 + p.rng.IntN(2))
		}
		switch p.rng.IntN(4) {
		case 0:
			f.tag = p.rng.IntN(16) << 12
		case 1:
			f.tag = p.rng.IntN(16)<<12 | (5 + p.rng.IntN(4))
		}
		bytes := eth(f.dst, f.src)
		if f.tag >= 0 {
			bytes = tagged(bytes, uint16(f.tag))
		}
		bytes = append(bytes, byte(len(sent)))
		frames, sent, from = append(frames, f), append(sent, bytes), append(from, e)
		// A tunnel's queue has frames of several remote VTEPs.
		for _, o := range p.list {
			if me.network == 0 && p.m.ends[o.id].network == 0 && p.rng.IntN(2) == 0 {
				e = o
			}
		}
	}
	p.r.take()
	before := p.r.sw.Totals()
	from[0].queue.give(func(b *frame.Batch) {
		for i, f := range sent {
			buf := b.Next()
			buf.Set(append(make([]byte, frame.Headroom), f...), frame.Headroom)
			buf.VNI, buf.Ingress = frames[i].vni, from[i].id
		}
	})
	got, delivered := map[delivery]int{}, map[int]bool{}
	for e, bufs := range p.r.take() {
		for _, b := range bufs {
			h := b.Head()
			d := delivery{e.id, int(h[len(h)-1]), -1}
			if frame.Ethernet(h).Tagged() {
				d.tag = int(frame.Ethernet(h).TCI())
			}
			got[d]++
			delivered[d.n] = true
		}
	}
	want := p.m.batch(frames)
	if !maps.Equal(got, want) {
		p.r.t.Fatalf("frames %+v are delivered to %v, want %v", frames, got, want)
	}
	// What nobody got is counted, once, for one reason.
	var drops uint64
	after := p.r.sw.Totals()
	for reason := range after.Drops {
		drops += after.Drops[reason] - before.Drops[reason]
	}
	if int(drops) != len(frames)-len(delivered) {
		p.r.t.Fatalf("%d of frames %+v were delivered, %d drops are counted", len(delivered), frames, drops)
	}
}

func TestAgainstANaiveModel(t *testing.T) {
	seeds, steps := uint64(60), 1000
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			p := &pair{
				r: newRig(t), rng: rand.New(rand.NewPCG(seed, 2)),
				m: model{ends: map[frame.PortID]*modelEnd{}, fdb: map[modelKey]modelEntry{}},
			}
			p.r.network(vswitch.NetworkConfig{Name: "red", VNI: 43})
			for range 6 {
				p.attach()
			}
			for range steps {
				if p.rng.IntN(10) == 0 {
					p.operate()
				} else {
					p.traffic()
				}
				if t.Failed() {
					return
				}
			}
			p.compareTables()
		})
	}
}

// compareTables wants both to know the same addresses at the end.
func (p *pair) compareTables() {
	n := 0
	for name, vni := range map[string]frame.VNI{"blue": 42, "red": 43} {
		list, err := p.r.sw.Entries(name)
		p.r.must(err)
		n += len(list)
		for _, e := range list {
			if m := p.m.fdb[modelKey{vni, e.VLAN, e.MAC}]; m != (modelEntry{e.Port, e.Static}) {
				p.r.t.Errorf("%s: %+v, want %+v", name, e, m)
			}
		}
	}
	if n != len(p.m.fdb) {
		p.r.t.Errorf("%d entries, want %d", n, len(p.m.fdb))
	}
}
