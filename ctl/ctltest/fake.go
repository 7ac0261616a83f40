// Package ctltest is for tests of what talks to the control API: a daemon's
// state in memory, with the rules of a real one and no networking.
//
// # Concurrency
//
// A Fake may be used from any number of goroutines.
package ctltest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"weft/ctl"
)

// The defaults of a Fake, those of a daemon on a 1500-byte IPv4 underlay.
const (
	MTU        = 1450
	FDBLimit   = 65536
	AgeSeconds = 300
	VTEPPort   = 4789
)

// Fake is a [ctl.Backend] in memory.
type Fake struct {
	mu       sync.Mutex
	name     string
	vtep     ctl.VTEPSpec
	networks map[string]ctl.NetworkSpec
	ports    map[string]ctl.PortSpec
	peers    map[string]ctl.PeerSpec
	fdb      []ctl.FDBEntry
	traffic  map[string]ctl.Traffic // by port name or peer address
	broken   map[string]error       // by port name: what AddPort answers
	down     map[string]bool        // by port name: whether its link is
}

var _ ctl.Backend = (*Fake)(nil)

// New makes an empty daemon.
func New() *Fake {
	return &Fake{
		name:     "fake",
		vtep:     ctl.VTEPSpec{Address: "10.99.0.1", Port: VTEPPort},
		networks: map[string]ctl.NetworkSpec{},
		ports:    map[string]ctl.PortSpec{},
		peers:    map[string]ctl.PeerSpec{},
		traffic:  map[string]ctl.Traffic{},
		broken:   map[string]error{},
		down:     map[string]bool{},
	}
}

// Learn adds an entry as if a frame had come.
func (f *Fake) Learn(e ctl.FDBEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.VNI = f.networks[e.Network].VNI
	e.Kind = ctl.KindLearned
	f.fdb = append(f.fdb, e)
}

// SetTraffic gives the port or the peer its counters.
func (f *Fake) SetTraffic(portOrPeer string, t ctl.Traffic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.traffic[portOrPeer] = t
}

// Break makes adding the port fail with err; nil mends it.
func (f *Fake) Break(port string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken[port] = err
}

// Status is that of a daemon that started an hour ago.
func (f *Fake) Status(ctx context.Context) (ctl.Status, error) {
	totals, _ := f.Stats(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	return ctl.Status{
		Name: f.name, Version: "test", PID: 4711,
		StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), UptimeSeconds: 3600,
		VTEP: f.vtep.Address, VTEPPort: f.vtep.Port, MTU: MTU,
		Networks: len(f.networks), Ports: len(f.ports), Peers: len(f.peers),
		Features: []ctl.Feature{
			{Name: "udp_gso", Enabled: true},
			{Name: "udp_gro", Reason: "turned off by the configuration"},
		},
		Totals: totals,
	}, nil
}

// Stats sums what SetTraffic was given.
func (f *Fake) Stats(context.Context) (ctl.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := ctl.Stats{Drops: map[string]uint64{}}
	for _, t := range f.traffic {
		sum.RxFrames += t.RxFrames
		sum.RxBytes += t.RxBytes
		sum.TxFrames += t.TxFrames
		sum.TxBytes += t.TxBytes
		for reason, n := range t.Drops {
			sum.Drops[reason] += n
		}
	}
	return sum, nil
}

// Networks lists by name.
func (f *Fake) Networks(context.Context) ([]ctl.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []ctl.Network
	for _, name := range slices.Sorted(maps.Keys(f.networks)) {
		s := f.networks[name]
		n := ctl.Network{
			Name: name, VNI: s.VNI, MTU: cmp.Or(s.MTU, MTU),
			FDBLimit: cmp.Or(s.FDBLimit, FDBLimit), AgeSeconds: cmp.Or(s.AgeSeconds, AgeSeconds), NoLearning: s.NoLearning,
		}
		for _, p := range f.ports {
			if p.Network == name {
				n.Ports++
			}
		}
		for _, p := range f.peers {
			if len(p.Networks) == 0 || slices.Contains(p.Networks, name) {
				n.Peers++
			}
		}
		for _, e := range f.fdb {
			if e.Network == name {
				n.FDBEntries++
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// AddNetwork refuses a name and a VNI that are taken.
func (f *Fake) AddNetwork(_ context.Context, s ctl.NetworkSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addNetwork(s)
}

func (f *Fake) addNetwork(s ctl.NetworkSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if _, ok := f.networks[s.Name]; ok {
		return ctl.Conflict("network %q exists already", s.Name)
	}
	for name, other := range f.networks {
		if other.VNI == s.VNI {
			return ctl.Conflict("network %q: VNI %d is in use by %q", s.Name, s.VNI, name)
		}
	}
	f.networks[s.Name] = s
	return nil
}

// RemoveNetwork takes the ports and the entries along.
func (f *Fake) RemoveNetwork(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.networks[name]; !ok {
		return ctl.NoNetwork(name)
	}
	delete(f.networks, name)
	maps.DeleteFunc(f.ports, func(_ string, p ctl.PortSpec) bool { return p.Network == name })
	f.forget(func(e ctl.FDBEntry) bool { return e.Network == name })
	return nil
}

// forget removes the entries that match and counts them.
func (f *Fake) forget(match func(ctl.FDBEntry) bool) int {
	before := len(f.fdb)
	f.fdb = slices.DeleteFunc(f.fdb, match)
	return before - len(f.fdb)
}

// Ports lists by network and name.
func (f *Fake) Ports(_ context.Context, network string) ([]ctl.Port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.networks[network]; !ok && network != "" {
		return nil, ctl.NoNetwork(network)
	}
	var out []ctl.Port
	for _, s := range f.ports {
		if network != "" && s.Network != network {
			continue
		}
		p := ctl.Port{
			Name: s.Name, Network: s.Network, Type: s.PortType(), Listen: s.Listen, Connect: s.Connect,
			MTU:  cmp.Or(s.MTU, f.networks[s.Network].MTU, MTU),
			VLAN: s.VLANs(), State: ctl.StateUp, Impair: s.Impair, Traffic: f.traffic[s.Name],
		}
		if p.Type == ctl.TypeTAP {
			p.IfName, p.NetNS, p.MAC = s.IfName(), s.NetNS, cmp.Or(s.MAC, "02:00:5e:00:00:01")
		} else {
			p.State, p.Reason = ctl.StateWaiting, "no peer has connected yet"
		}
		if f.down[s.Name] {
			p.State, p.Reason = ctl.StateDown, "the link is set down"
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b ctl.Port) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// AddPort refuses a name that is taken in any network.
func (f *Fake) AddPort(_ context.Context, s ctl.PortSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addPort(s)
}

func (f *Fake) addPort(s ctl.PortSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if _, ok := f.networks[s.Network]; !ok {
		return ctl.NoNetwork(s.Network)
	}
	if other, ok := f.ports[s.Name]; ok {
		return ctl.Conflict("port %q exists already, in network %q", s.Name, other.Network)
	}
	if err := f.broken[s.Name]; err != nil {
		return err
	}
	f.ports[s.Name] = s
	return nil
}

// RemovePort takes the port's entries along.
func (f *Fake) RemovePort(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.ports[name]; !ok {
		return ctl.NoPort(name)
	}
	delete(f.ports, name)
	f.forget(func(e ctl.FDBEntry) bool { return string(e.Port) == name })
	return nil
}

// Capture writes the words of its request and ends.
func (f *Fake) Capture(_ context.Context, port string, s ctl.CaptureSpec, w io.Writer) error {
	f.mu.Lock()
	_, ok := f.ports[port]
	f.mu.Unlock()
	if !ok {
		return ctl.NoPort(port)
	}
	_, err := fmt.Fprintf(w, "%s %+v", port, s)
	return err
}

// SetLink remembers what it is given.
func (f *Fake) SetLink(_ context.Context, port string, s ctl.LinkSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	spec, ok := f.ports[port]
	if !ok {
		return ctl.NoPort(port)
	}
	if s.To != nil {
		spec.Impair.To = *s.To
	}
	if s.From != nil {
		spec.Impair.From = *s.From
	}
	if s.State != "" {
		f.down[port] = s.State == ctl.StateDown
	}
	f.ports[port] = spec
	return nil
}

// Peers lists by address.
func (f *Fake) Peers(context.Context) ([]ctl.Peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []ctl.Peer
	for _, s := range f.peers {
		networks := s.Networks
		if len(networks) == 0 {
			networks = slices.Sorted(maps.Keys(f.networks))
		}
		out = append(out, ctl.Peer{
			Address: s.Address, Port: cmp.Or(s.Port, f.vtep.Port), State: ctl.StateUp,
			Networks: networks, Traffic: f.traffic[s.Address],
		})
	}
	slices.SortFunc(out, func(a, b ctl.Peer) int { return cmp.Compare(a.Address, b.Address) })
	return out, nil
}

// AddPeer refuses an address that is there and networks that are not.
func (f *Fake) AddPeer(_ context.Context, s ctl.PeerSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addPeer(s)
}

func (f *Fake) addPeer(s ctl.PeerSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	s.Address = canonical(s.Address)
	if _, ok := f.peers[s.Address]; ok {
		return ctl.Conflict("peer %s exists already", s.Address)
	}
	for _, n := range s.Networks {
		if _, ok := f.networks[n]; !ok {
			return ctl.NoNetwork(n)
		}
	}
	f.peers[s.Address] = s
	return nil
}

// RemovePeer takes the peer's entries along.
func (f *Fake) RemovePeer(_ context.Context, address string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := canonical(address)
	if _, ok := f.peers[name]; !ok {
		return ctl.NoPeer(address)
	}
	delete(f.peers, name)
	f.forget(func(e ctl.FDBEntry) bool { return string(e.Peer) == name })
	return nil
}

// canonical gives every spelling of an address the same one.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}
