package ctltest

import (
	"cmp"
	"context"
	"slices"

	"weft/ctl"
	"weft/frame"
)

// FDB lists by network, VLAN and MAC.
func (f *Fake) FDB(_ context.Context, filter ctl.FDBFilter) ([]ctl.FDBEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.known(filter); err != nil {
		return nil, err
	}
	var out []ctl.FDBEntry
	for _, e := range f.fdb {
		if matches(filter, e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b ctl.FDBEntry) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.MAC, b.MAC))
	})
	return out, nil
}

// AddFDB replaces what was learned, and refuses a second static entry.
func (f *Fake) AddFDB(_ context.Context, s ctl.FDBSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := s.Validate(); err != nil {
		return err
	}
	if err := f.known(ctl.FDBFilter{Network: s.Network, Port: s.Port, Peer: s.Peer}); err != nil {
		return err
	}
	if p, ok := f.ports[s.Port]; ok && p.Network != s.Network {
		return ctl.Conflict("port %q belongs to network %q", s.Port, p.Network)
	}
	mac := canonicalMAC(s.MAC)
	if i := f.find(s); i >= 0 {
		if f.fdb[i].Kind == ctl.KindStatic {
			return ctl.Conflict("network %q has a static entry for %s already", s.Network, mac)
		}
		f.fdb = slices.Delete(f.fdb, i, i+1)
	}
	f.fdb = append(f.fdb, ctl.FDBEntry{
		Network: s.Network, VNI: f.networks[s.Network].VNI, VLAN: s.VLAN, MAC: mac, Kind: ctl.KindStatic,
		Port: ctl.Nullable(s.Port), Peer: ctl.Nullable(canonical(s.Peer)),
	})
	return nil
}

// RemoveFDB removes an entry of any kind.
func (f *Fake) RemoveFDB(_ context.Context, s ctl.FDBSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := s.ValidateKey(); err != nil {
		return err
	}
	if err := f.known(ctl.FDBFilter{Network: s.Network}); err != nil {
		return err
	}
	i := f.find(s)
	if i < 0 {
		return ctl.NotFound("network %q has no entry for %s (see \"weft fdb ls %s\")", s.Network, canonicalMAC(s.MAC), s.Network)
	}
	f.fdb = slices.Delete(f.fdb, i, i+1)
	return nil
}

// FlushFDB leaves static entries.
func (f *Fake) FlushFDB(_ context.Context, filter ctl.FDBFilter) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.known(filter); err != nil {
		return 0, err
	}
	return f.forget(func(e ctl.FDBEntry) bool {
		return e.Kind == ctl.KindLearned && matches(filter, e)
	}), nil
}

// known refuses names that nothing has.
func (f *Fake) known(filter ctl.FDBFilter) error {
	if _, ok := f.networks[filter.Network]; !ok && filter.Network != "" {
		return ctl.NoNetwork(filter.Network)
	}
	if _, ok := f.ports[filter.Port]; !ok && filter.Port != "" {
		return ctl.NoPort(filter.Port)
	}
	if _, ok := f.peers[canonical(filter.Peer)]; !ok && filter.Peer != "" {
		return ctl.NoPeer(filter.Peer)
	}
	return nil
}

func matches(f ctl.FDBFilter, e ctl.FDBEntry) bool {
	return (f.Network == "" || f.Network == e.Network) &&
		(f.Port == "" || f.Port == string(e.Port)) &&
		(f.Peer == "" || canonical(f.Peer) == string(e.Peer))
}

func (f *Fake) find(s ctl.FDBSpec) int {
	mac := canonicalMAC(s.MAC)
	return slices.IndexFunc(f.fdb, func(e ctl.FDBEntry) bool {
		return e.Network == s.Network && e.VLAN == s.VLAN && e.MAC == mac
	})
}

// canonicalMAC gives every spelling of a valid MAC the same one.
func canonicalMAC(s string) string {
	mac, err := frame.ParseMAC(s)
	if err != nil {
		return s
	}
	return mac.String()
}
