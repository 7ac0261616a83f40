package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"weft/ctl"
	"weft/fib"
	"weft/frame"
)

// FDB implements ctl.Backend.
func (n *Node) FDB(_ context.Context, f ctl.FDBFilter) ([]ctl.FDBEntry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	only, err := n.portID(f.Port, f.Peer)
	if err != nil {
		return nil, err
	}
	names := []string{f.Network}
	if f.Network == "" {
		names = names[:0]
		for name := range n.networks {
			names = append(names, name)
		}
		slices.Sort(names)
	} else if n.networks[f.Network] == nil {
		return nil, ctl.NoNetwork(f.Network)
	}
	places := n.places()
	list := []ctl.FDBEntry{}
	for _, name := range names {
		entries, err := n.sw.Entries(name)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			at, ok := places[e.Port]
			if !ok || only != frame.NoPort && e.Port != only {
				continue
			}
			row := ctl.FDBEntry{
				Network: name, VNI: n.networks[name].spec.VNI, VLAN: uint16(e.VLAN), MAC: e.MAC.String(),
				Kind: ctl.KindLearned, Port: at.port, Peer: at.peer, AgeSeconds: int64(e.Age / time.Second),
			}
			if e.Static {
				row.Kind, row.AgeSeconds = ctl.KindStatic, 0
			}
			list = append(list, row)
		}
	}
	return list, nil
}

// place is what a PortID stands for; one of the two is set.
type place struct{ port, peer ctl.Nullable }

func (n *Node) places() map[frame.PortID]place {
	m := make(map[frame.PortID]place, len(n.ports)+len(n.peers))
	for name, p := range n.ports {
		m[p.id] = place{port: ctl.Nullable(name)}
	}
	for addr, p := range n.peers {
		m[p.id] = place{peer: ctl.Nullable(addr.String())}
	}
	return m
}

// portID finds a port by name or a peer by address; NoPort when neither is given.
func (n *Node) portID(portName, peerAddr string) (frame.PortID, error) {
	switch {
	case portName != "" && peerAddr != "":
		return frame.NoPort, ctl.Invalid("port and peer exclude each other")
	case portName != "":
		if p := n.ports[portName]; p != nil {
			return p.id, nil
		}
		return frame.NoPort, ctl.NoPort(portName)
	case peerAddr != "":
		p, err := n.peer(peerAddr)
		if err != nil {
			return frame.NoPort, err
		}
		return p.id, nil
	}
	return frame.NoPort, nil
}

// AddFDB implements ctl.Backend.
func (n *Node) AddFDB(_ context.Context, s ctl.FDBSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.networks[s.Network] == nil {
		return ctl.NoNetwork(s.Network)
	}
	id, err := n.portID(s.Port, s.Peer)
	if err != nil {
		return err
	}
	if s.Port != "" && n.ports[s.Port].spec.Network != s.Network {
		return ctl.Conflict("port %q is in network %q, not %q", s.Port, n.ports[s.Port].spec.Network, s.Network)
	}
	if s.Peer != "" {
		if p, err := n.peer(s.Peer); err == nil && !p.reaches(s.Network) {
			return ctl.Conflict("peer %s does not carry network %q", s.Peer, s.Network)
		}
	}
	mac, err := frame.ParseMAC(s.MAC)
	if err != nil {
		return ctl.Invalid("%v", err)
	}
	err = n.sw.AddStatic(s.Network, frame.VLAN(s.VLAN), mac, id)
	if errors.Is(err, fib.ErrFull) {
		return ctl.Conflict("network %q: the table is full of static entries (%d)", s.Network, n.sw.FDBLimit(s.Network))
	}
	return err
}

// RemoveFDB implements ctl.Backend.
func (n *Node) RemoveFDB(_ context.Context, s ctl.FDBSpec) error {
	if err := s.ValidateKey(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.networks[s.Network] == nil {
		return ctl.NoNetwork(s.Network)
	}
	mac, err := frame.ParseMAC(s.MAC)
	if err != nil {
		return ctl.Invalid("%v", err)
	}
	switch found, err := n.sw.RemoveEntry(s.Network, frame.VLAN(s.VLAN), mac); {
	case err != nil:
		return err
	case !found && s.VLAN != 0:
		return ctl.NotFound("network %q has no entry %s in VLAN %d", s.Network, mac, s.VLAN)
	case !found:
		return ctl.NotFound("network %q has no entry %s", s.Network, mac)
	}
	return nil
}

// FlushFDB implements ctl.Backend.
func (n *Node) FlushFDB(_ context.Context, f ctl.FDBFilter) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f.Network != "" && n.networks[f.Network] == nil {
		return 0, ctl.NoNetwork(f.Network)
	}
	id, err := n.portID(f.Port, f.Peer)
	if err != nil {
		return 0, err
	}
	return n.sw.Flush(f.Network, id)
}
