package perf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"weft/internal/netns"
	"weft/perf/load"
	"weft/perf/report"
	"weft/perf/systems"
)

// comparison is a run in the making.
type comparison struct {
	o        Options
	pace     pace
	systems  []*system // that are there
	measures []measure
	result   report.Run
	// found keeps what searches came to, by system, for the next round.
	found map[*system]found
}

// system is one that takes part.
type system struct {
	*systems.System
	weft bool
	// counts: has the command that counts allocations.
	counts bool
}

// kernelOf names the kernel's own system of a scene.
var kernelOf = map[systems.Scene]string{twoHosts: "kernel", oneHost: "bridge"}

func newComparison(ctx context.Context, o Options) (*comparison, error) {
	c := &comparison{o: o, pace: fullPace, found: map[*system]found{}}
	c.result = report.Run{Machine: describe(o), Started: time.Now(), Form: "full", MTU: o.MTU, Rounds: o.Rounds}
	if o.Quick {
		c.pace, c.result.Form = quickPace, "quick"
	}
	if err := c.chooseSystems(ctx); err != nil {
		return nil, err
	}
	if err := c.chooseMeasures(); err != nil {
		return nil, err
	}
	return c, nil
}

// chooseSystems takes the systems that were asked for and are there, weft
// first.
func (c *comparison) chooseSystems(ctx context.Context) error {
	var all []*system
	for _, scene := range []systems.Scene{twoHosts, oneHost} {
		all = append(all, &system{systems.Weft("weft", c.o.Weft, scene), true, systems.CanCount(ctx, c.o.Weft)})
		for name, path := range c.o.Also {
			all = append(all, &system{systems.Weft(name, path, scene), true, systems.CanCount(ctx, path)})
		}
		for _, s := range systems.Others() {
			if s.Scene == scene {
				all = append(all, &system{System: s})
			}
		}
	}
	names := func(s *system) string { return s.Name }
	if err := known("system", c.o.Systems, all, names); err != nil {
		return err
	}
	for _, s := range all {
		if len(c.o.Systems) > 0 && !slices.Contains(c.o.Systems, s.Name) {
			continue
		}
		row := report.System{
			Name: s.Name, Title: s.Title, Scene: string(s.Scene), Userspace: s.Userspace, Weft: s.weft, Missing: s.Missing(),
		}
		if row.Missing == "" {
			var err error
			if row.Version, err = s.Version(ctx); err != nil {
				return err
			}
			c.systems = append(c.systems, s)
		} else {
			fmt.Fprintf(c.o.Stderr, "left out: %s: %s\n", s.Name, row.Missing)
		}
		c.result.Systems = append(c.result.Systems, row)
	}
	return nil
}

func (c *comparison) chooseMeasures() error {
	all := measures(c.pace)
	if err := known("measure", c.o.Measures, all, func(m measure) string { return m.name }); err != nil {
		return err
	}
	for _, m := range all {
		if len(c.o.Measures) > 0 && !slices.Contains(c.o.Measures, m.name) || len(c.o.Measures) == 0 && c.o.Quick && !m.quick {
			continue
		}
		if m.apart && runtime.NumCPU() < 2 {
			fmt.Fprintf(c.o.Stderr, "left out: measure %s: two hosts with a CPU each take two CPUs, here is one\n", m.name)
			continue
		}
		if m.program != "" {
			if _, err := exec.LookPath(m.program); err != nil {
				fmt.Fprintf(c.o.Stderr, "left out: measure %s: no %s here (apt-get install %s)\n", m.name, m.program, m.program)
				continue
			}
		}
		if !c.pace.brief {
			m.gives = slices.Concat(m.gives, m.more)
		}
		c.measures = append(c.measures, m)
		for _, q := range m.gives {
			q.Kernel, q.Scene = kernelOf[m.scene], string(m.scene)
			c.result.Measured = append(c.result.Measured, q)
		}
	}
	return nil
}

// known complains about a name that nothing has.
func known[T any](what string, asked []string, all []T, name func(T) string) error {
	var names []string
	for _, v := range all {
		if !slices.Contains(names, name(v)) {
			names = append(names, name(v))
		}
	}
	for _, a := range asked {
		if !slices.Contains(names, a) {
			return fmt.Errorf("no %s %q (have %s)", what, a, strings.Join(names, ", "))
		}
	}
	return nil
}

// takes says whether the measure is for the system.
func (c *comparison) takes(m *measure, s *system) bool {
	mtu := cmp.Or(m.mtu, c.o.MTU)
	if m.scene == oneHost { // no underlay
		mtu = netns.DefaultMTU
	}
	switch {
	case m.scene != s.Scene,
		m.frames && s.Layer3,
		s.MaxClients != 0 && m.ports > s.MaxClients,
		m.vteps > 1 && s.OnePeer && !m.userspace,
		s.MaxMTU != 0 && mtu > s.MaxMTU,
		s.MainOnly && (!m.main || c.o.Quick) && mtu <= netns.DefaultMTU,
		m.userspace && !s.Userspace,
		// What the others cost does not change from day to day.
		m.userspace && c.o.Quick && !s.weft,
		m.weft && !s.weft,
		m.counted && !s.counts:
		return false
	}
	return true
}

// turn is one measurement.
type turn struct {
	m *measure
	s *system
}

// interleave takes every measure of every system in turn, round after round,
// until it is done or interrupted. A measurement that fails is noted.
func (c *comparison) interleave(ctx context.Context) error {
	var turns []turn
	for i := range c.measures {
		for _, s := range c.systems {
			if c.takes(&c.measures[i], s) {
				turns = append(turns, turn{&c.measures[i], s})
				c.found[s] = found{}
			}
		}
	}
	if len(turns) == 0 {
		return errors.New("nothing to measure: none of the measures is for any of the systems")
	}
	progress := newProgress(c.o.Stderr, len(turns), c.o.Rounds)
	defer func() { c.result.Seconds = time.Since(c.result.Started).Seconds() }()
	defer progress.done()
	for round := 1; round <= c.o.Rounds; round++ {
		for _, t := range turns {
			if t.m.rounds > 0 && round > t.m.rounds {
				progress.skip()
				continue
			}
			progress.begin(t.m.name, t.s.Name)
			figures, err := c.take(ctx, t)
			progress.end()
			if ctx.Err() != nil {
				c.result.Form += ", interrupted"
				return nil
			}
			if err != nil {
				c.result.Problems = append(c.result.Problems, report.Problem{
					Measure: t.m.name, System: t.s.Name, Round: round, Error: err.Error(),
				})
				continue
			}
			for i, f := range figures {
				c.result.Samples = append(c.result.Samples, report.Sample{
					Quantity: t.m.gives[i].Key, System: t.s.Name, Round: round, Value: f.value, Setting: f.setting, Tried: f.tried,
				})
			}
		}
	}
	return nil
}

// take builds a picture, measures and removes it.
func (c *comparison) take(ctx context.Context, t turn) (figures []figure, err error) {
	p, err := systems.Build(ctx, t.s.System, systems.Shape{
		Scene: t.m.scene, MTU: cmp.Or(t.m.mtu, c.o.MTU), Clients: max(t.m.ports, 1),
		Absent: max(t.m.vteps, 1) - 1, FDBLimit: t.m.fdbLimit, Congestion: c.o.Congestion, Apart: t.m.apart, Counted: t.m.counted,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Logs())
		}
		err = errors.Join(err, p.Close())
	}()
	b := &bench{pace: c.pace, picture: p, found: c.found[t.s]}
	if b.as, err = c.ends(p.A.Clients); err != nil {
		return nil, err
	}
	if b.bs, err = c.ends(p.B.Clients); err != nil {
		return nil, err
	}
	b.a, b.b = b.as[0], b.bs[0]
	figures, err = t.m.run(ctx, b)
	if err == nil && len(figures) != len(t.m.gives) {
		err = fmt.Errorf("%d figures for %d quantities", len(figures), len(t.m.gives))
	}
	return figures, err
}

// ends are clients as package load wants them.
func (c *comparison) ends(clients []systems.Client) ([]load.End, error) {
	var all []load.End
	for _, l := range clients {
		link, err := l.Host.Netlink().LinkByName(l.IfName())
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", l.IfName(), l.Host.Name, err)
		}
		all = append(all, load.End{
			Host: l.Host, IfName: l.IfName(), Addr: l.Address.Addr(),
			MAC: slices.Clone(net.HardwareAddr(link.Attrs().HardwareAddr)),
		})
	}
	return all, nil
}
