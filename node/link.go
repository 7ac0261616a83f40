package node

import (
	"context"
	"io"

	"weft/capture"
	"weft/ctl"
	"weft/frame"
	"weft/impair"
	vswitch "weft/switch"
)

// link is what lies between a port and its devices: the conditions that
// frames meet on the way, and whether they pass at all. While it is perfect the
// switch writes to the device itself. The port's mu guards it.
type link struct {
	sw   *vswitch.Switch
	work *workers
	id   frame.PortID
	down bool
	both impair.Both

	mirror *capture.Mirror

	device device // nil while there is none
	in     *impair.Inbound
	out    *impair.Outbound // nil while nothing happens to what is sent
	past   frame.Stats      // of what was in and out before
}

// entry is where what a queue without a descriptor gives enters its link. A
// batch that it took is empty.
type entry struct{ link *impair.Inbound }

func (e *entry) ReadBatch(b *frame.Batch) error {
	err := e.link.Rx().ReadBatch(b)
	if err == nil {
		e.link.Send(b)
	}
	return err
}

// Capture implements ctl.Backend.
func (n *Node) Capture(ctx context.Context, name string, s ctl.CaptureSpec, w io.Writer) error {
	filter, err := capture.Parse(s.Filter)
	if err != nil {
		return ctl.Invalid("%v", err)
	}
	n.mu.Lock()
	p := n.ports[name]
	n.mu.Unlock()
	if p == nil {
		return ctl.NoPort(name)
	}
	t := capture.NewTap(capture.Config{Name: name, Filter: filter, SnapLen: s.SnapLen, Count: s.Count})
	ok, err := p.watch(t, true)
	switch {
	case err != nil:
		return portError(name, err)
	case !ok:
		return ctl.NoPort(name) // it was removed meanwhile
	}
	defer func() {
		if _, err := p.watch(t, false); err != nil {
			p.log.Error().Err(err).Msg("end capture")
		}
	}()
	return t.WriteTo(ctx, w)
}

func (p *port) watch(t *capture.Tap, on bool) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false, nil
	}
	return p.link.watch(t, on)
}

// carrier is a device whose other end can be shown that the cable is out.
type carrier interface {
	SetCarrier(on bool) error
}

// attach puts a device behind the link and gives what the switch writes to.
// What it reads is in.
func (l *link) attach(d device) vswitch.Port {
	in := impair.NewInbound(mirrored(d.Rx(), l.mirror))
	in.Set(l.both.From)
	in.SetDown(l.down)
	l.device, l.in = d, in
	if l.down || !l.both.To.IsZero() {
		l.open(l.both.To, l.down)
		l.showCarrier()
	}
	return l.target()
}

// target is what the switch writes to: the device itself unless something is
// in the way.
func (l *link) target() vswitch.Port {
	switch {
	case l.out != nil:
		return l.out
	case l.mirror.Active():
		return l.mirror.Port(l.device)
	}
	return l.device
}

// open makes out.
func (l *link) open(to impair.Spec, down bool) {
	l.out = impair.NewOutbound(l.mirror.Port(l.device), to, l.work.newTimer)
	l.out.SetDown(down)
}

// detach forgets the device. Nobody reads in any more.
func (l *link) detach() {
	if l.out != nil {
		l.out.Close()
		l.past.Add(l.out.Stats())
	}
	if l.in != nil {
		l.in.Close()
		l.past.Add(l.in.Stats())
	}
	l.device, l.in, l.out = nil, nil, nil
}

// set changes the link while frames pass.
func (l *link) set(both impair.Both, down bool) error {
	wasDown, wasFrom, wasTo := l.down, l.both.From, l.both.To
	if l.device != nil {
		if from := both.From; from != wasFrom || down != wasDown {
			l.in.Set(from)
			l.in.SetDown(down)
		}
		if both.To != wasTo || down != wasDown {
			if err := l.setOutbound(both.To, down); err != nil {
				return err
			}
		}
	}
	l.both, l.down = both, down
	if down != wasDown {
		l.showCarrier()
		if down {
			// What was behind the link may be elsewhere by now.
			_, err := l.sw.Flush("", l.id)
			return err
		}
	}
	return nil
}

func (l *link) setOutbound(to impair.Spec, down bool) error {
	perfect := to.IsZero() && !down
	switch {
	case l.out == nil && perfect:
		return nil
	case l.out == nil:
		l.open(to, down)
		return l.sw.SetPort(l.id, l.target())
	}
	l.out.SetDown(down)
	l.out.Set(to)
	if !perfect {
		return nil
	}
	out := l.out
	l.out = nil
	err := l.sw.SetPort(l.id, l.target())
	out.Finish()
	l.past.Add(out.Stats())
	return err
}

// watch has a tap see what passes the device: what is attached sends before the
// link's conditions and receives behind them, as its own interface would show.
func (l *link) watch(t *capture.Tap, on bool) (bool, error) {
	if !on {
		l.mirror.Remove(t)
	} else if !l.mirror.Add(t) {
		return false, nil
	}
	if l.device == nil || l.out != nil {
		return true, nil // the mirror is in the way already, or will be
	}
	return true, l.sw.SetPort(l.id, l.target())
}

// showCarrier has the other end see the state, where the device can.
func (l *link) showCarrier() {
	if c, ok := l.device.(carrier); ok {
		_ = c.SetCarrier(!l.down) // a courtesy: the frames stop without it
	}
}

// stats counts what the switch does not: frames that arrived late, and those
// that did not.
func (l *link) stats() frame.Stats {
	sum := l.past
	if l.in != nil {
		sum.Add(l.in.Stats())
	}
	if l.out != nil {
		sum.Add(l.out.Stats())
	}
	return sum
}

func (p *port) linkStats() frame.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.stats()
}

// SetLink implements ctl.Backend.
func (n *Node) SetLink(_ context.Context, name string, s ctl.LinkSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.ports[name]
	if p == nil {
		return ctl.NoPort(name)
	}
	both := p.spec.Impair
	if s.To != nil {
		both.To = *s.To
	}
	if s.From != nil {
		both.From = *s.From
	}
	if err := p.setLink(both, s.State); err != nil {
		return portError(name, err)
	}
	p.spec.Impair = both
	return nil
}

// setLink changes the port's link; state "" leaves that as it is.
func (p *port) setLink(both impair.Both, state string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	down := p.link.down
	if state != "" {
		down = state == ctl.StateDown
	}
	return p.link.set(both, down)
}
