package vswitch

import (
	"fmt"
	"time"

	"weft/fib"
	"weft/frame"
)

// Entry is one address of a network.
type Entry struct {
	VLAN   frame.VLAN
	MAC    frame.MAC
	Port   frame.PortID
	Static bool
	Age    time.Duration // since the last frame from it
}

// Entries lists the addresses of a network by VLAN and MAC.
func (s *Switch) Entries(network string) ([]Entry, error) {
	d, err := s.network(network)
	if err != nil {
		return nil, err
	}
	found := d.fib.Entries(s.clock.now())
	list := make([]Entry, len(found))
	for i, e := range found {
		list[i] = Entry{
			VLAN: e.VLAN(), MAC: e.MAC(), Port: e.Port, Static: e.Static,
			Age: time.Duration(e.Age) * fib.TickLength,
		}
	}
	return list, nil
}

// Len is how many addresses a network remembers.
func (s *Switch) Len(network string) int {
	d, err := s.network(network)
	if err != nil {
		return 0
	}
	return d.fib.Len()
}

// FDBLimit is how many addresses a network remembers at most.
func (s *Switch) FDBLimit(network string) int {
	d, err := s.network(network)
	if err != nil {
		return 0
	}
	return d.fib.Limit()
}

// AddStatic pins an address to a port or a remote VTEP of the network.
func (s *Switch) AddStatic(network string, v frame.VLAN, m frame.MAC, id frame.PortID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.networks[network]
	if d == nil {
		return fmt.Errorf("network %q: %w", network, ErrNoNetwork)
	}
	if int(id) >= len(s.ports) || s.ports[id] == nil {
		return fmt.Errorf("port %d: %w", id, ErrNoPort)
	}
	if a := s.snap.Load().port(id); a.remote && !a.reaches(d.VNI) || !a.remote && a.network != network {
		return fmt.Errorf("%q in network %q: %w", a.name, network, ErrNoPort)
	}
	return d.fib.AddStatic(fib.MakeKey(v, m), id, s.clock.now())
}

// RemoveEntry forgets one address, learned or static; false when there is none.
func (s *Switch) RemoveEntry(network string, v frame.VLAN, m frame.MAC) (bool, error) {
	d, err := s.network(network)
	if err != nil {
		return false, err
	}
	return d.fib.Remove(fib.MakeKey(v, m)), nil
}

// Flush forgets what was learned: in one network or, when it is "", in all;
// behind one port or remote VTEP or, when it is NoPort, behind any. It gives
// how many addresses went.
func (s *Switch) Flush(network string, id frame.PortID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if network != "" && s.networks[network] == nil {
		return 0, fmt.Errorf("network %q: %w", network, ErrNoNetwork)
	}
	n := 0
	for name, d := range s.networks {
		switch {
		case network != "" && name != network:
		case id == frame.NoPort:
			n += d.fib.Flush()
		default:
			n += d.fib.FlushPort(id)
		}
	}
	return n, nil
}

// flushPort forgets what was learned behind a port. Callers hold mu.
func (s *Switch) flushPort(id frame.PortID) {
	for _, d := range s.networks {
		d.fib.FlushPort(id)
	}
}

func (s *Switch) network(name string) (*domain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.networks[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("network %q: %w", name, ErrNoNetwork)
}
