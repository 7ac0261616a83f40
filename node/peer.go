package node

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"weft/ctl"
	"weft/frame"
	vswitch "weft/switch"
	"weft/tunnel"
)

// watchEvery is how often the underlay is looked at: the route to each peer,
// and MTUs.
const watchEvery = time.Second

// peer is a remote VTEP.
type peer struct {
	spec   ctl.PeerSpec
	addr   netip.Addr
	id     frame.PortID
	hop    *tunnel.Hop
	mtu    int
	reason string // why it cannot be reached, "" when it can
}

// reaches reports whether a network is carried to the peer.
func (p *peer) reaches(networkName string) bool {
	return len(p.spec.Networks) == 0 || slices.Contains(p.spec.Networks, networkName)
}

func (p *peer) config() vswitch.PeerConfig {
	c := vswitch.PeerConfig{Name: p.addr.String(), MTU: p.mtu}
	if len(p.spec.Networks) > 0 {
		c.Networks = p.spec.Networks
	}
	return c
}

// AddPeer implements ctl.Backend.
func (n *Node) AddPeer(_ context.Context, s ctl.PeerSpec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addPeer(s)
}

func (n *Node) addPeer(s ctl.PeerSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	addr, err := n.checkPeer(s)
	if err != nil {
		return err
	}
	if n.peers[addr] != nil {
		return ctl.Conflict("peer %s exists already", addr)
	}
	if err := n.checkNetworks(s); err != nil {
		return err
	}
	hop, err := n.vtep.NewHop(netip.AddrPortFrom(addr, s.Port))
	if err != nil {
		return ctl.Invalid("peer %v", err)
	}
	p := &peer{spec: s, addr: addr, hop: hop}
	p.mtu, p.reason = n.pathMTU(hop)
	if p.id, err = n.sw.AttachPeer(p.config(), hop); err != nil {
		return err
	}
	if err := n.vtep.Admit(hop, p.id); err != nil {
		_ = n.sw.Detach(p.id)
		return err
	}
	n.peers[addr] = p
	n.followSuperframe()
	return nil
}

// checkPeer gives the address of a valid spec, unless this daemon's VTEP cannot
// have that peer.
func (n *Node) checkPeer(s ctl.PeerSpec) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s.Address)
	if err != nil {
		return addr, ctl.Invalid("peer: %v", err)
	}
	if n.vtep == nil {
		return addr, ctl.Conflict("peer %s: this daemon has no VTEP (start it with weft run --vtep ADDR)", addr)
	}
	switch own := n.vtep.Addr().Addr(); {
	case addr == own:
		return addr, ctl.Invalid("peer %s: that is this daemon's own VTEP", addr)
	case addr.Is4() != own.Is4():
		return addr, ctl.Invalid("peer %s: address family differs from the VTEP's (%s)", addr, own)
	}
	return addr, nil
}

func (n *Node) checkNetworks(s ctl.PeerSpec) error {
	for _, name := range s.Networks {
		if n.networks[name] == nil {
			return ctl.NoNetwork(name)
		}
	}
	return nil
}

// pathMTU is the room on the way to a peer, or that of the VTEP's own
// interface and a reason where there is no way at present.
func (n *Node) pathMTU(hop *tunnel.Hop) (mtu int, reason string) {
	mtu, err := hop.PathMTU()
	if err != nil {
		return n.mtu, err.Error()
	}
	return mtu, ""
}

// RemovePeer implements ctl.Backend.
func (n *Node) RemovePeer(_ context.Context, address string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.peer(address)
	if err != nil {
		return err
	}
	return n.removePeer(p)
}

func (n *Node) removePeer(p *peer) error {
	n.vtep.Expel(p.hop)
	if err := n.sw.Detach(p.id); err != nil {
		return err
	}
	n.retired.Add(p.hop.Stats())
	delete(n.peers, p.addr)
	n.followSuperframe()
	return nil
}

func (n *Node) peer(address string) (*peer, error) {
	if addr, err := netip.ParseAddr(address); err == nil && n.peers[addr] != nil {
		return n.peers[addr], nil
	}
	return nil, ctl.NoPeer(address)
}

// Peers implements ctl.Backend.
func (n *Node) Peers(context.Context) ([]ctl.Peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	peers := make([]*peer, 0, len(n.peers))
	for _, p := range n.peers {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b *peer) int { return a.addr.Compare(b.addr) })
	list := []ctl.Peer{}
	for _, p := range peers {
		list = append(list, n.describePeer(p))
	}
	return list, nil
}

func (n *Node) describePeer(p *peer) ctl.Peer {
	stats := n.sw.Stats(p.id)
	stats.Add(p.hop.Stats())
	row := ctl.Peer{
		Address: p.addr.String(), Port: p.hop.Addr().Port(), State: ctl.StateUp,
		Networks: []string{}, Traffic: traffic(stats),
	}
	if row.Reason = cmp.Or(p.reason, errorText(p.hop.Err())); row.Reason != "" {
		row.State = ctl.StateUnreachable
	}
	for name := range n.networks {
		if p.reaches(name) {
			row.Networks = append(row.Networks, name)
		}
	}
	slices.Sort(row.Networks)
	return row
}

// watchUnderlay keeps the peers' state and the MTUs until ctx ends.
func (n *Node) watchUnderlay(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.lookAtUnderlay()
		}
	}
}

func (n *Node) lookAtUnderlay() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.followMTU()
	for _, p := range n.peers {
		mtu, reason := n.pathMTU(p.hop)
		if reason != p.reason {
			n.log.Info().Stringer("peer", p.addr).Str("reason", cmp.Or(reason, "reachable")).Msg("peer")
			p.reason = reason
		}
		if mtu == p.mtu {
			continue
		}
		p.mtu = mtu
		if err := n.sw.UpdatePeer(p.id, p.config()); err != nil {
			n.log.Error().Err(err).Msg("peer MTU")
		}
	}
	n.followSuperframe()
}

// followSuperframe has TAPs give superframes of the size that leaves in one
// send to every peer.
func (n *Node) followSuperframe() {
	size := n.vtep.Superframe()
	if size == n.superframe {
		return
	}
	n.superframe = size
	for _, p := range n.ports {
		t, ok := p.source.(*tapSource)
		if !ok {
			continue
		}
		if err := t.change(p.spec); err != nil {
			n.log.Error().Err(err).Str("port", p.spec.Name).Msg("superframe size")
		}
	}
}

// followMTU looks at the underlay's MTU. While the VTEP's address is gone the
// last one stays.
func (n *Node) followMTU() {
	if mtu, err := n.vtep.LocalMTU(); err == nil && mtu != n.mtu {
		n.changeMTU(mtu)
	}
}

// changeMTU follows a change of the underlay's MTU in all networks that do not
// set their own.
func (n *Node) changeMTU(mtu int) {
	n.log.Info().Int("from", n.mtu).Int("to", mtu).Msg("the underlay's MTU changed")
	n.mtu = mtu
	n.vtep.SetMTU(mtu)
	for _, w := range n.networks {
		if w.spec.MTU == 0 {
			if err := n.changeNetwork(w.spec); err != nil {
				n.log.Error().Err(err).Msg("network MTU")
			}
		}
	}
}
