package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"weft/capture"
	"weft/ctl"
	"weft/frame"
	"weft/impair"
	"weft/internal/unixsock"
	vswitch "weft/switch"
	"weft/tap"
)

// reopenEvery is how often a port that could not have a device tries again.
const reopenEvery = time.Second

// port is a local port: its device while it has one, where it has that from,
// and the goroutine that serves it.
type port struct {
	spec   ctl.PortSpec // guarded by Node.mu
	mtu    int          // guarded by Node.mu
	id     frame.PortID
	sw     *vswitch.Switch
	work   *workers
	log    zerolog.Logger
	source source
	ctx    context.Context // ends when the port is to close
	stop   context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex // guards what follows
	device device     // nil while there is none
	reason string     // why there is none
	link   link
}

// AddPort implements ctl.Backend.
func (n *Node) AddPort(_ context.Context, s ctl.PortSpec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addPort(s, false)
}

// addPort makes a port. With wait, one whose namespace is not there (yet) is
// made without its interface, which then comes with the namespace.
func (n *Node) addPort(s ctl.PortSpec, wait bool) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if n.networks[s.Network] == nil {
		return ctl.NoNetwork(s.Network)
	}
	if other := n.ports[s.Name]; other != nil {
		return ctl.Conflict("port %q exists already, in network %q", s.Name, other.spec.Network)
	}
	for _, other := range n.ports {
		if s.Listen != "" && s.Listen == other.spec.Listen {
			return ctl.Conflict("port %q: port %q listens on %s already", s.Name, other.spec.Name, s.Listen)
		}
	}
	p := &port{
		spec: s, mtu: n.portMTU(s), sw: n.sw, work: n.workers, log: n.log.With().Str("port", s.Name).Logger(),
		done: make(chan struct{}),
	}
	if err := p.begin(n, wait); err != nil {
		return portError(s.Name, err)
	}
	p.link = link{sw: n.sw, work: n.workers, both: s.Impair, mirror: new(capture.Mirror)}
	var out vswitch.Port // a nil device would not be a nil Port
	if p.device != nil {
		out = p.link.attach(p.device)
	}
	var err error
	if p.id, err = n.sw.AttachPort(switchConfig(s), out); err != nil {
		p.link.detach()
		if p.device != nil {
			err = errors.Join(err, p.device.Close())
		}
		return portError(s.Name, errors.Join(err, p.source.close()))
	}
	p.link.id = p.id
	p.ctx, p.stop = context.WithCancel(context.Background())
	n.ports[s.Name] = p
	go p.run(p.link.in)
	return nil
}

// begin makes the port's source, and its device where that can be had at once.
func (p *port) begin(n *Node, wait bool) (err error) {
	switch {
	case p.spec.PortType() == ctl.TypeTAP:
		p.source = n.newTAP(p.spec)
	case p.spec.Type == ctl.TypeDgram:
		p.source = newDgramSource(p.spec)
	case p.spec.Type == ctl.TypeVDE:
		p.source, err = newVDESource(p.spec, p.log)
		return err
	case p.spec.Listen != "":
		p.source, err = newListenSource(p.spec, p.log)
		return err
	default:
		p.source = newDialSource(p.spec)
		return nil
	}
	d, err := p.source.open(context.Background())
	if later := wait && errors.Is(err, tap.ErrNoNamespace); err != nil && !later {
		return err
	}
	p.device, p.reason = d, errorText(err)
	return nil
}

// portError says which port an error of the system is about.
func portError(name string, err error) error {
	if errors.Is(err, tap.ErrExists) || errors.Is(err, syscall.EADDRINUSE) ||
		errors.Is(err, unixsock.ErrLive) || errors.Is(err, unixsock.ErrNotSocket) {
		return ctl.Conflict("port %q: %v", name, err)
	}
	return ctl.Failed("port %q: %v", name, err)
}

// portMTU is the MTU of the port that a spec asks for.
func (n *Node) portMTU(s ctl.PortSpec) int { return cmp.Or(s.MTU, n.networks[s.Network].mtu) }

func switchConfig(s ctl.PortSpec) vswitch.PortConfig {
	c := vswitch.PortConfig{Name: s.Name, Network: s.Network, MTU: s.MTU}
	c.VLAN.Access, c.VLAN.Native = frame.VLAN(s.Access), frame.VLAN(s.Native)
	if len(s.Trunk) > 0 {
		ids, _ := ctl.ParseVLANs(s.Trunk) // valid, as said
		c.VLAN.Trunk = vswitch.NewVLANSet(ids)
	}
	return c
}

// run serves the port's devices, one after the other, until the port closes.
func (p *port) run(in *impair.Inbound) {
	defer close(p.done)
	for {
		if in == nil {
			if in = p.reopen(); in == nil {
				return
			}
		}
		p.lose(p.work.serveLink(in, p.id))
		in = nil
	}
}

// reopen puts a new device behind the port as soon as there is one, and gives
// what to read; nil when the port closes.
func (p *port) reopen() *impair.Inbound {
	for p.ctx.Err() == nil {
		d, err := p.source.open(p.ctx)
		if err == nil {
			return p.gain(d)
		}
		p.mu.Lock()
		p.reason = err.Error()
		p.mu.Unlock()
		select {
		case <-p.ctx.Done():
		case <-time.After(reopenEvery):
		}
	}
	return nil
}

// gain puts the port up; nil when the port closes.
func (p *port) gain(d device) *impair.Inbound {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		_ = d.Close() // close did not see it
		return nil
	}
	out := p.link.attach(d)
	p.device, p.reason = d, ""
	if err := p.sw.SetPort(p.id, out); err != nil {
		p.log.Error().Err(err).Msg("port up")
	}
	p.log.Info().Msg("port is up")
	return p.link.in
}

// lose puts the port down because its device failed.
func (p *port) lose(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return // close has closed the device
	}
	d := p.device
	p.device, p.reason = nil, cause.Error()
	p.log.Warn().Err(cause).Msg("port is down")
	if err := p.sw.SetPort(p.id, nil); err != nil {
		p.log.Error().Err(err).Msg("port down")
	}
	p.link.detach()
	_ = d.Close() // what is gone cannot be closed better
}

// close removes the device and the port.
func (p *port) close() {
	p.mu.Lock()
	p.stop() // under mu, so that gain and lose either see it or are seen
	d := p.device
	p.link.mirror.Close()
	p.mu.Unlock()
	if d != nil {
		if err := d.Close(); err != nil {
			p.log.Debug().Err(err).Msg("close device")
		}
	}
	<-p.done
	if err := p.source.close(); err != nil {
		p.log.Warn().Err(err).Msg("close port")
	}
	if err := p.sw.Detach(p.id); err != nil {
		p.log.Error().Err(err).Msg("detach port")
	}
	p.mu.Lock()
	p.link.detach()
	p.mu.Unlock()
}

// change gives the port what may change while it runs: MTU, VLANs, and what
// its type allows.
func (p *port) change(n *Node, s ctl.PortSpec) error {
	if err := p.source.change(s); err != nil {
		return portError(s.Name, err)
	}
	if err := p.setLink(s.Impair, ""); err != nil {
		return portError(s.Name, err)
	}
	p.spec, p.mtu = s, n.portMTU(s)
	return p.sw.UpdatePort(p.id, switchConfig(s))
}

// RemovePort implements ctl.Backend.
func (n *Node) RemovePort(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.removePort(name)
}

func (n *Node) removePort(name string) error {
	p := n.ports[name]
	if p == nil {
		return ctl.NoPort(name)
	}
	n.closePort(p)
	return nil
}

// closePort closes a port and keeps what only its link has counted.
func (n *Node) closePort(p *port) {
	delete(n.ports, p.spec.Name)
	p.close()
	n.retired.Add(p.linkStats())
}

// Ports implements ctl.Backend.
func (n *Node) Ports(_ context.Context, networkName string) ([]ctl.Port, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if networkName != "" && n.networks[networkName] == nil {
		return nil, ctl.NoNetwork(networkName)
	}
	list := []ctl.Port{}
	for _, p := range n.ports {
		if networkName == "" || p.spec.Network == networkName {
			list = append(list, p.describe())
		}
	}
	slices.SortFunc(list, func(a, b ctl.Port) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

func (p *port) describe() ctl.Port {
	row := ctl.Port{
		Name: p.spec.Name, Network: p.spec.Network, Type: p.spec.PortType(), MTU: p.mtu, VLAN: p.spec.VLANs(),
		State: ctl.StateUp, Impair: p.spec.Impair,
	}
	p.mu.Lock()
	stats := p.sw.Stats(p.id)
	stats.Add(p.link.stats())
	row.Traffic = traffic(stats)
	down := p.link.down
	if p.device == nil {
		row.State, row.Reason = ctl.StateDown, p.reason
	} else if reason := p.device.LinkDown(); reason != "" {
		row.State, row.Reason = ctl.StateDown, reason
	}
	p.mu.Unlock()
	p.source.describe(&row)
	if down {
		row.State, row.Reason = ctl.StateDown, "its link is set down (weft port set "+p.spec.Name+" up)"
	}
	return row
}
