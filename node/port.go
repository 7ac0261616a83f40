package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/frame"
	vswitch "weft/switch"
	"weft/tap"
)

// reopenEvery is how often a port whose interface was lost looks whether it can
// have one again.
const reopenEvery = time.Second

// port is a local port: its TAP, and the goroutine that serves it.
type port struct {
	spec ctl.PortSpec // guarded by Node.mu
	id   frame.PortID
	sw   *vswitch.Switch
	log  zerolog.Logger
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex // guards what follows
	config tap.Config
	tap    *tap.Port // nil while there is no interface
	reason string    // why there is none
	mac    frame.MAC
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
	c := n.tapConfig(s)
	t, err := tap.Open(c)
	switch {
	case wait && errors.Is(err, tap.ErrNoNamespace):
	case err != nil:
		return portError(s.Name, err)
	default:
		f := t.Features()
		n.tapInUse = &f
	}
	p := &port{
		spec: s, sw: n.sw, log: n.log.With().Str("port", s.Name).Logger(),
		stop: make(chan struct{}), done: make(chan struct{}),
		config: c, tap: t, reason: errorText(err), mac: c.MAC,
	}
	var device vswitch.Port
	if t != nil {
		device, p.mac = t, cmp.Or(t.MAC(), c.MAC)
	}
	if p.id, err = n.sw.AttachPort(switchConfig(s), device); err != nil {
		if t != nil {
			err = errors.Join(err, t.Close())
		}
		return portError(s.Name, err)
	}
	n.ports[s.Name] = p
	go p.run()
	return nil
}

// portError says which port an error of the system is about.
func portError(name string, err error) error {
	if errors.Is(err, tap.ErrExists) {
		return ctl.Conflict("port %q: %v", name, err)
	}
	return ctl.Failed("port %q: %v", name, err)
}

// tapConfig is the interface that a valid spec asks for.
func (n *Node) tapConfig(s ctl.PortSpec) tap.Config {
	c := tap.Config{
		IfName: s.IfName(), NetNS: s.NetNS, MTU: cmp.Or(s.MTU, n.networks[s.Network].mtu),
		NoOffload: n.offload.TAP == ctl.OffloadOff, MAC: n.stableMAC(s.Name),
	}
	if s.MAC != "" {
		c.MAC, _ = frame.ParseMAC(s.MAC) // valid, as said
	}
	for _, a := range s.Address {
		if p, err := netip.ParsePrefix(a); err == nil {
			c.Addresses = append(c.Addresses, p)
		}
	}
	return c
}

// stableMAC gives a port the address it had before, after a restart or when its
// interface comes back, so that its neighbours' ARP caches stay right. It is
// locally administered (IEEE 802-2014 section 8.4).
func (n *Node) stableMAC(portName string) frame.MAC {
	sum := sha256.Sum256([]byte(n.name + "\x00" + n.vtepText() + "\x00" + portName))
	m := frame.MAC(sum[:6])
	m[0] = m[0]&^1 | 2
	return m
}

func switchConfig(s ctl.PortSpec) vswitch.PortConfig {
	c := vswitch.PortConfig{Name: s.Name, Network: s.Network, MTU: s.MTU}
	c.VLAN.Access, c.VLAN.Native = frame.VLAN(s.Access), frame.VLAN(s.Native)
	if len(s.Trunk) > 0 {
		ids, _ := ctl.ParseVLANs(s.Trunk) // valid, as said
		c.VLAN.Trunk = vswitch.NewVLANSet(ids)
	}
	return c
}

// run serves the port's queue, and brings the interface back when it is lost.
func (p *port) run() {
	defer close(p.done)
	retry := time.NewTicker(reopenEvery)
	defer retry.Stop()
	for {
		p.mu.Lock()
		t := p.tap
		p.mu.Unlock()
		if t != nil {
			err := p.sw.Serve(t.Rx(), p.id)
			if p.stopped() {
				return
			}
			p.lose(err)
		}
		select {
		case <-p.stop:
			return
		case <-retry.C:
			p.reopen()
		}
	}
}

func (p *port) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// lose puts the port down because its interface failed.
func (p *port) lose(cause error) {
	p.log.Warn().Err(cause).Msg("port lost its interface")
	p.mu.Lock()
	t := p.tap
	p.tap, p.reason = nil, cause.Error()
	p.mu.Unlock()
	if err := p.sw.SetPort(p.id, nil); err != nil {
		p.log.Error().Err(err).Msg("port down")
	}
	_ = t.Close() // what is gone cannot be closed better
}

// reopen makes the interface again if that is possible now.
func (p *port) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped() {
		return
	}
	t, err := tap.Open(p.config)
	if err != nil {
		p.reason = err.Error()
		return
	}
	p.tap, p.reason = t, ""
	if err := p.sw.SetPort(p.id, t); err != nil {
		p.log.Error().Err(err).Msg("port up")
	}
	p.log.Info().Msg("port has its interface again")
}

// close removes the interface and the port.
func (p *port) close() {
	p.mu.Lock()
	close(p.stop) // under mu, so that reopen either sees it or is seen
	t := p.tap
	p.mu.Unlock()
	if t != nil {
		if err := t.Close(); err != nil {
			p.log.Debug().Err(err).Msg("close interface")
		}
	}
	<-p.done
	if err := p.sw.Detach(p.id); err != nil {
		p.log.Error().Err(err).Msg("detach port")
	}
}

// change gives the port what may change while it runs: MTU, MAC, addresses and
// VLANs.
func (p *port) change(s ctl.PortSpec, c tap.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tap != nil {
		if err := p.tap.Reconfigure(p.config, c); err != nil {
			return portError(s.Name, err)
		}
		p.mac = cmp.Or(p.tap.MAC(), c.MAC)
	}
	p.spec, p.config = s, c
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
	delete(n.ports, name)
	p.close()
	return nil
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
	p.mu.Lock()
	defer p.mu.Unlock()
	row := ctl.Port{
		Name: p.spec.Name, Network: p.spec.Network, Type: "tap",
		IfName: p.config.IfName, NetNS: p.spec.NetNS, MAC: p.mac.String(), MTU: p.config.MTU,
		VLAN: p.spec.VLANs(), State: ctl.StateUp, Traffic: traffic(p.sw.Stats(p.id)),
	}
	switch {
	case p.tap == nil:
		row.State, row.Reason = ctl.StateDown, p.reason
	case p.tap.LinkDown():
		row.State, row.Reason = ctl.StateDown, "the interface is set down (ip link set "+p.config.IfName+" up)"
	}
	return row
}
