package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/lab"
	"weft/lab/engine"
	"weft/lab/space"
	"weft/lab/topology"
	"weft/node"
)

// Lab is a lab that runs.
type Lab struct {
	dir         lab.Dir
	log         zerolog.Logger
	started     time.Time
	node        *node.Node
	processes   *space.Processes
	machine     *os.File // its /proc
	stopReaping chan struct{}
	down        chan struct{} // closed when the lab is to end
	downOnce    sync.Once
	step        func(format string, args ...any)

	change sync.Mutex // held while a change is made, start to end

	mu       sync.Mutex // guards what follows; for moments
	topology *topology.Topology
	wiring   *wiring
	spaces   map[string]*space.Space
	routers  map[string]*router
	vms      map[string]*space.Process
	numbers  *numbers

	containers *engine.Client // nil before the first container
}

// spaceOf gives a node's space, nil when it has none.
func (l *Lab) spaceOf(node string) *space.Space {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spaces[node]
}

// current gives the topology as it is.
func (l *Lab) current() *topology.Topology {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topology
}

// applier makes one change and keeps account of its parts.
type applier struct {
	*Lab

	old, next  *topology.Topology
	was, wires *wiring
	changes    []ctl.Change
}

func (a *applier) note(action, kind, name string, err error) {
	c := ctl.Change{Action: action, Kind: kind, Name: name}
	if err != nil {
		c.Error = err.Error()
	}
	a.changes = append(a.changes, c)
}

// apply changes the lab to what t says. What goes is taken away first, so that
// others can have its place; links that stay are not touched.
func (l *Lab) apply(ctx context.Context, t *topology.Topology) ([]ctl.Change, error) {
	l.change.Lock()
	defer l.change.Unlock()
	if err := l.checkVTEP(ctx, t); err != nil {
		return nil, err
	}
	if t.Offload != l.current().Offload {
		return nil, ctl.Conflict("offload: differs from what this lab was started with; take it down and up again to change it")
	}
	next := wire(t, l.numbers, l.dir)
	a := &applier{Lab: l, old: l.current(), next: t, was: l.wiring, wires: next, changes: []ctl.Change{}}
	if err := a.checkContainers(); err != nil {
		return nil, err
	}
	if err := a.writeHosts(); err != nil {
		return nil, err
	}
	a.letGo(ctx)
	a.removeNodes(ctx)
	a.addSpaces()
	a.startContainers(ctx)
	a.lookbacks()
	a.step("%d links", len(t.Links))
	a.applyLocal(ctx)
	a.applyRouters(ctx)
	a.startVMs()
	a.setStates(ctx)
	a.awaitTrunks(ctx)
	a.awaitContainers(ctx)
	a.changes = append(a.changes, linkChanges(a.old, t)...)
	l.mu.Lock()
	l.topology, l.wiring = t, next
	l.mu.Unlock()
	if failed(a.changes) == nil {
		a.runExecs()
	}
	return a.changes, l.remember(t)
}

// remember writes the topology for who comes after.
func (l *Lab) remember(t *topology.Topology) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return os.WriteFile(l.dir.File(lab.TopologyFile), text, 0o600)
}

// writeHosts names every node's first address, for /etc/hosts in the nodes.
func (a *applier) writeHosts() error {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, n := range a.next.Nodes {
		if addr, err := a.next.Address(n.Name); err == nil {
			fmt.Fprintf(&b, "%s %s\n", addr, n.Name)
		}
	}
	// In place, for the file is mounted in the nodes.
	f, err := os.OpenFile(a.dir.File(lab.HostsFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

// letGo has every daemon give up the ports that it will not have.
func (a *applier) letGo(ctx context.Context) {
	if len(a.was.local.Ports) > 0 {
		a.record(a.node.Apply(ctx, without(a.was.local, a.wires.local)))
	}
	for name, r := range a.routers {
		if next, ok := a.wires.routers[name]; ok {
			a.record(r.client.Apply(ctx, without(a.was.routers[name], next)))
		}
	}
}

// record takes over what the lab's switch says it did, or a router of the ports
// that it let go; what fails to be said, too.
func (a *applier) record(changes []ctl.Change, err error) {
	a.changes = append(a.changes, untold(changes, "port", "network")...)
	if err != nil {
		a.note(actChange, "lab", a.next.Name, err)
	}
}

// stays reports whether a node is the same kind of thing in both topologies.
func (a *applier) stays(name string) bool {
	old, next := a.old.Node(name), a.next.Node(name)
	return old != nil && next != nil && old.Kind == next.Kind
}

func (a *applier) removeNodes(ctx context.Context) {
	for i := range a.old.Nodes {
		n := &a.old.Nodes[i]
		if a.stays(n.Name) {
			continue
		}
		if s := a.spaceOf(n.Name); s != nil {
			a.end(a.processes.In(s))
			a.mu.Lock()
			delete(a.spaces, n.Name)
			delete(a.routers, n.Name)
			a.mu.Unlock()
			defer s.Close() // when the switch has let go of its interfaces
		}
		a.stopVM(n.Name)
		var err error
		if n.Kind == topology.Container {
			err = a.stopContainer(ctx, n.Name)
		}
		a.note(actRemove, "node", n.Name, err)
	}
}

func (a *applier) addSpaces() {
	a.step("%d nodes", len(a.next.Nodes))
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		if a.stays(n.Name) || n.Kind == topology.Container {
			continue
		}
		var err error
		if n.Kind.HasNamespace() {
			var s *space.Space
			if s, err = space.New(n.Name, string(a.dir)); err == nil {
				a.mu.Lock()
				a.spaces[n.Name] = s
				a.mu.Unlock()
			}
		}
		a.note(actAdd, "node", n.Name, err)
	}
}

// lookbacks sets the addresses of lo, which is the end of no link.
func (a *applier) lookbacks() {
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		s := a.spaceOf(n.Name)
		if s == nil {
			continue
		}
		var old []string
		if o := a.old.Node(n.Name); o != nil {
			old = o.Interface("lo").Address
		}
		want := n.Interface("lo").Address
		if slices.Equal(old, want) {
			continue
		}
		a.note(actChange, "address", n.Name+":lo", s.SetAddresses("lo", old, want))
	}
}

func (a *applier) applyLocal(ctx context.Context) {
	a.record(a.node.Apply(ctx, a.wires.local))
}

// setStates takes links down and up that are not as they are to be.
func (a *applier) setStates(ctx context.Context) {
	for _, l := range a.next.Links {
		before := a.old.Link(l.A)
		if !l.Down && (before == nil || !before.Down) {
			continue
		}
		state := ctl.StateUp
		if l.Down {
			state = ctl.StateDown
		}
		var errs []error
		for _, e := range []topology.End{l.A, l.B} {
			if at, ok := a.wires.ends[e]; ok {
				errs = append(errs, a.daemonOf(at.router).SetLink(ctx, at.name, ctl.LinkSpec{State: state}))
			}
		}
		if err := errors.Join(errs...); err != nil || before != nil && before.Down != l.Down {
			a.note(actChange, "link", nameOf(&l), err)
		}
	}
}

// daemonOf is the control API of a router, or of the lab's own switch for "".
func (l *Lab) daemonOf(router string) ctl.Backend {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.routers[router]; r != nil {
		return r.client
	}
	return l.node
}

// trunkTime is how long the two sides of a trunk may take to find each other:
// who calls in vain calls again after a second.
const trunkTime = 5 * time.Second

// awaitTrunks waits for the links between networks.
func (a *applier) awaitTrunks(ctx context.Context) {
	for deadline := time.Now().Add(trunkTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		waiting := false
		for _, p := range a.ports(ctx, a.currentRouters()) {
			waiting = waiting || p.State == ctl.StateWaiting && p.Connect != ""
		}
		if !waiting {
			return
		}
	}
}

func (l *Lab) currentRouters() map[string]*router {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.routers)
}

// address is what ping goes to in the present topology.
func (l *Lab) address(to string) (netip.Addr, error) { return l.current().Address(to) }
