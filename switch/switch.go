package vswitch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"weft/fib"
	"weft/frame"
)

// Errors to branch on; they are wrapped with what they are about.
var (
	ErrNoNetwork     = errors.New("no such network")
	ErrNetworkExists = errors.New("network exists")
	ErrVNIInUse      = errors.New("VNI in use")
	ErrNetworkBusy   = errors.New("network has ports")
	ErrNoPort        = errors.New("no such port")
	ErrTooManyPorts  = errors.New("too many ports")
)

// sweepEvery is how often aged addresses are removed. They are not used any
// more from the moment they age; sweeping only frees their room.
const sweepEvery = time.Second

// Switch is a set of bridge domains and what is attached to them.
type Switch struct {
	snap    atomic.Pointer[snapshot]
	clock   clock // kept by Run
	orphans frame.Counters

	mu       sync.Mutex // guards what follows, and publishing
	networks map[string]*domain
	ports    []*attachment // by PortID; [0] is unused
	retired  frame.Stats   // of ports that were detached

	workersMu sync.Mutex // guards workers; never held with mu wanted
	workers   []*worker
}

// New gives a switch without networks. Nothing runs until Serve and Run do.
func New() *Switch {
	s := &Switch{clock: newClock(), networks: map[string]*domain{}, ports: make([]*attachment, 1)}
	s.publish()
	return s
}

// Run keeps the switch's coarse clock and removes aged addresses until ctx ends.
func (s *Switch) Run(ctx context.Context) {
	s.clock.begin()
	ticker := time.NewTicker(fib.TickLength)
	defer ticker.Stop()
	swept := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.clock.wake:
			ticker.Reset(fib.TickLength)
		case now := <-ticker.C:
			s.clock.set(now)
			if now.Sub(swept) < sweepEvery {
				continue
			}
			swept = now
			s.sweep()
			if s.clock.rest() {
				ticker.Reset(sweepEvery)
			}
		}
	}
}

func (s *Switch) sweep() {
	now := fib.Tick(s.clock.tick.Load())
	for _, d := range s.snap.Load().byVNI {
		d.fib.Sweep(now)
	}
}

// AddNetwork makes an empty bridge domain. The error is ErrNetworkExists,
// ErrVNIInUse (which names the holder) or that of a bad VNI.
func (s *Switch) AddNetwork(c NetworkConfig) error {
	if err := c.VNI.Validate(); err != nil {
		return fmt.Errorf("network %q: %w", c.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.networks[c.Name] != nil {
		return fmt.Errorf("network %q: %w", c.Name, ErrNetworkExists)
	}
	for _, d := range s.networks {
		if d.VNI == c.VNI {
			return fmt.Errorf("network %q: VNI %d is in use by %q: %w", c.Name, c.VNI, d.Name, ErrVNIInUse)
		}
	}
	if c.Age == 0 {
		c.Age = DefaultAge
	}
	d := &domain{NetworkConfig: c, fib: fib.New(c.fibConfig())}
	d.FDBLimit = d.fib.Limit()
	s.networks[c.Name] = d
	s.publish()
	return nil
}

// UpdateNetwork changes all of a network but its VNI. Its addresses stay, unless
// it is to learn none any more.
func (s *Switch) UpdateNetwork(c NetworkConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.networks[c.Name]
	if d == nil {
		return fmt.Errorf("network %q: %w", c.Name, ErrNoNetwork)
	}
	if c.Age == 0 {
		c.Age = DefaultAge
	}
	c.VNI = d.VNI
	d.fib.SetConfig(c.fibConfig())
	c.FDBLimit = d.fib.Limit()
	d.NetworkConfig = c
	s.publish()
	if c.NoLearning {
		s.synchronize() // nobody learns any more
		d.fib.Flush()
	}
	return nil
}

// RemoveNetwork removes a network without ports.
func (s *Switch) RemoveNetwork(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.networks[name] == nil {
		return fmt.Errorf("network %q: %w", name, ErrNoNetwork)
	}
	for _, a := range s.ports {
		if a != nil && !a.remote && a.network == name {
			return fmt.Errorf("network %q: %w: %q", name, ErrNetworkBusy, a.name)
		}
	}
	delete(s.networks, name)
	s.publish()
	s.synchronize()
	return nil
}

// AttachPort adds a local port to its network. A port that starts down is
// flooded nothing until [Switch.SetPort].
func (s *Switch) AttachPort(c PortConfig, p Port) (frame.PortID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.networks[c.Network] == nil {
		return frame.NoPort, fmt.Errorf("port %q: network %q: %w", c.Name, c.Network, ErrNoNetwork)
	}
	return s.attach(&attachment{
		name: c.Name, port: p, down: p == nil, network: c.Network,
		mtu: c.MTU, ownMTU: c.MTU != 0, vlans: c.VLAN,
	})
}

// AttachPeer adds a remote VTEP to the flood sets of its networks.
func (s *Switch) AttachPeer(c PeerConfig, p Port) (frame.PortID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attach(&attachment{
		name: c.Name, port: p, mtu: c.MTU, remote: true, networks: c.Networks,
	})
}

func (s *Switch) attach(a *attachment) (frame.PortID, error) {
	a.counters = new(frame.Counters)
	for id := 1; id < len(s.ports); id++ {
		if s.ports[id] == nil {
			a.id = frame.PortID(id)
			s.ports[id] = a
			s.publish()
			return a.id, nil
		}
	}
	if len(s.ports) > math.MaxUint16 {
		return frame.NoPort, fmt.Errorf("%q: %w (at most %d)", a.name, ErrTooManyPorts, math.MaxUint16)
	}
	a.id = frame.PortID(len(s.ports))
	s.ports = append(s.ports, a)
	s.publish()
	return a.id, nil
}

// update changes a copy of the record of a port and publishes it.
func (s *Switch) update(id frame.PortID, change func(*attachment)) error {
	if int(id) >= len(s.ports) || s.ports[id] == nil {
		return fmt.Errorf("port %d: %w", id, ErrNoPort)
	}
	a := *s.ports[id]
	change(&a)
	s.ports[id] = &a
	s.publish()
	return nil
}

// UpdatePort changes MTU and VLAN policy of a local port. What was learned on
// it is forgotten when the policy changes, because it may be in another VLAN.
func (s *Switch) UpdatePort(id frame.PortID, c PortConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := false
	err := s.update(id, func(a *attachment) {
		moved = !a.vlans.equal(c.VLAN)
		a.mtu, a.ownMTU, a.vlans = c.MTU, c.MTU != 0, c.VLAN
	})
	if err == nil && moved {
		s.synchronize()
		s.flushPort(id)
	}
	return err
}

// UpdatePeer changes MTU and networks of a remote VTEP. In a network that does
// not reach over it any more every address behind it is forgotten, static ones
// too: when UpdatePeer returns nothing of that network goes there.
func (s *Switch) UpdatePeer(id frame.PortID, c PeerConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.update(id, func(a *attachment) { a.mtu, a.networks = c.MTU, c.Networks }); err != nil {
		return err
	}
	s.synchronize()
	a := s.snap.Load().port(id)
	for _, d := range s.networks {
		if !a.reaches(d.VNI) {
			d.fib.RemovePort(id)
		}
	}
	return nil
}

// SetPort puts another device behind a port, or none: then the port is down,
// left out of floods, and what was learned on it is forgotten. When SetPort
// returns the former device is written to no more.
func (s *Switch) SetPort(id frame.PortID, p Port) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.update(id, func(a *attachment) { a.port, a.down = p, p == nil })
	if err == nil {
		s.synchronize()
	}
	if err == nil && p == nil {
		s.flushPort(id)
	}
	return err
}

// Detach removes a port or a remote VTEP and every address behind it. When it
// returns the port is written to no more.
func (s *Switch) Detach(id frame.PortID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(id) >= len(s.ports) || s.ports[id] == nil {
		return fmt.Errorf("port %d: %w", id, ErrNoPort)
	}
	gone := s.ports[id]
	s.ports[id] = nil
	s.publish()
	s.synchronize()
	s.retired.Add(gone.counters.Load())
	for _, d := range s.networks {
		d.fib.RemovePort(id)
	}
	return nil
}

// Stats gives the counters of one port.
func (s *Switch) Stats(id frame.PortID) frame.Stats {
	if a := s.snap.Load().port(id); a != nil {
		return a.counters.Load()
	}
	return frame.Stats{}
}

// Totals gives the sum over all ports and remote VTEPs, also those that are gone.
func (s *Switch) Totals() frame.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.retired
	sum.Add(s.orphans.Load())
	for _, a := range s.ports {
		if a != nil {
			sum.Add(a.counters.Load())
		}
	}
	return sum
}
