package node

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"weft/ctl"
	"weft/tunnel"
)

// Apply implements ctl.Backend. What goes makes room first: peers, ports and
// networks are removed, then networks, peers and ports are changed and added.
// What is the same in both is not touched.
func (n *Node) Apply(_ context.Context, c ctl.Config) ([]ctl.Change, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.checkFixed(c); err != nil {
		return nil, err
	}
	a := &applier{node: n, changes: []ctl.Change{}}
	a.remove(c)
	a.networks(c.Networks)
	a.peers(c.Peers)
	if n.vtep != nil {
		n.followMTU() // before there are interfaces that have it
	}
	a.ports(c.Ports)
	return a.changes, nil
}

// checkFixed refuses what a running daemon cannot change.
func (n *Node) checkFixed(c ctl.Config) error {
	const restart = "restart the daemon to change it"
	if c.VTEP != nil {
		want := *c.VTEP
		want.Port = cmp.Or(want.Port, tunnel.DefaultPort)
		if want != n.vtepOpt {
			return ctl.Conflict("vtep: this daemon's is %s; %s", n.vtepText(), restart)
		}
	}
	if c.Offload != nil && *c.Offload != n.offload {
		return ctl.Conflict("offload: differs from what this daemon was started with; %s", restart)
	}
	if c.Workers != 0 && c.Workers != n.workers.count() {
		return ctl.Conflict("workers: this daemon has %d; %s", n.workers.count(), restart)
	}
	if c.Name != "" && c.Name != n.name {
		return ctl.Conflict("name: this daemon's is %q; %s", n.name, restart)
	}
	for _, p := range c.Peers {
		if _, err := n.checkPeer(p); err != nil {
			return err
		}
	}
	return nil
}

// applier makes the changes one by one and keeps account.
type applier struct {
	node    *Node
	changes []ctl.Change
}

const (
	actAdd    = "add"
	actRemove = "remove"
	actChange = "change"
)

func (a *applier) note(action, kind, name, detail string, err error) {
	a.changes = append(a.changes, ctl.Change{
		Action: action, Kind: kind, Name: name, Detail: detail, Error: errorText(err),
	})
}

// remove takes away what c does not have. A network whose VNI changes, and a
// port that changes its place, are made anew by what follows.
func (a *applier) remove(c ctl.Config) {
	n := a.node
	for _, p := range sorted(n.peers, func(x, y netip.Addr) int { return x.Compare(y) }) {
		kept := slices.ContainsFunc(c.Peers, func(s ctl.PeerSpec) bool { return mustAddr(s.Address) == p.addr })
		if !kept {
			a.note(actRemove, "peer", p.addr.String(), "", n.removePeer(p))
		}
	}
	for _, p := range sorted(n.ports, strings.Compare) {
		kept := slices.ContainsFunc(c.Ports, func(s ctl.PortSpec) bool { return s.Name == p.spec.Name })
		if !kept {
			a.note(actRemove, "port", p.spec.Name, "", n.removePort(p.spec.Name))
		}
	}
	for _, w := range sorted(n.networks, strings.Compare) {
		i := slices.IndexFunc(c.Networks, func(s ctl.NetworkSpec) bool { return s.Name == w.spec.Name })
		if i < 0 || c.Networks[i].VNI != w.spec.VNI {
			a.note(actRemove, "network", w.spec.Name, "", n.removeNetwork(w.spec.Name))
		}
	}
}

func (a *applier) networks(specs []ctl.NetworkSpec) {
	n := a.node
	for _, s := range specs {
		w := n.networks[s.Name]
		if w == nil {
			a.note(actAdd, "network", s.Name, "", n.addNetwork(s))
			continue
		}
		var d differences
		d.add("mtu", w.mtu, cmp.Or(s.MTU, n.mtu))
		d.add("fdb_limit", w.spec.FDBLimit, s.FDBLimit)
		d.add("port_fdb_limit", w.spec.PortFDBLimit, s.PortFDBLimit)
		d.add("age", w.spec.AgeSeconds, s.AgeSeconds)
		d.add("forward_reserved", w.spec.ForwardReserved, s.ForwardReserved)
		d.add("no_learning", w.spec.NoLearning, s.NoLearning)
		if len(d) > 0 {
			a.note(actChange, "network", s.Name, d.String(), n.changeNetwork(s))
		} else {
			w.spec = s
		}
	}
}

func (a *applier) peers(specs []ctl.PeerSpec) {
	n := a.node
	for _, s := range specs {
		p := n.peers[mustAddr(s.Address)]
		if p == nil {
			a.note(actAdd, "peer", s.Address, "", n.addPeer(s))
			continue
		}
		var d differences
		d.add("port", p.hop.Addr().Port(), cmp.Or(s.Port, n.vtepOpt.Port))
		moved := len(d) > 0
		d.add("networks", strings.Join(p.spec.Networks, ","), strings.Join(s.Networks, ","))
		switch {
		case moved:
			err := n.removePeer(p)
			if err == nil {
				err = n.addPeer(s)
			}
			a.note(actChange, "peer", s.Address, d.String(), err)
		case len(d) > 0:
			p.spec = s
			a.note(actChange, "peer", s.Address, d.String(), n.sw.UpdatePeer(p.id, p.config()))
		}
	}
}

func (a *applier) ports(specs []ctl.PortSpec) {
	n := a.node
	for _, s := range specs {
		p := n.ports[s.Name]
		if p == nil {
			err := n.addPort(s, true)
			a.note(actAdd, "port", s.Name, n.portDetail(s.Name), err)
			continue
		}
		if n.networks[s.Network] == nil {
			continue // its network could not be made, and said so
		}
		var d differences
		d.add("network", p.spec.Network, s.Network)
		d.add("type", p.spec.PortType(), s.PortType())
		d.add("listen", p.spec.Listen, s.Listen)
		d.add("connect", p.spec.Connect, s.Connect)
		d.add("netns", p.spec.NetNS, s.NetNS)
		d.add("as", p.spec.IfName(), s.IfName())
		moved := len(d) > 0
		d.add("mtu", p.mtu, n.portMTU(s))
		d.add("mac", n.portMAC(p.spec), n.portMAC(s))
		d.add("address", strings.Join(p.spec.Address, " "), strings.Join(s.Address, " "))
		d.add("vlan", p.spec.VLANs(), s.VLANs())
		d.add("impair", p.spec.Impair, s.Impair)
		switch {
		case moved:
			err := n.removePort(s.Name)
			if err == nil {
				err = n.addPort(s, true)
			}
			a.note(actChange, "port", s.Name, d.String(), err)
		case len(d) > 0:
			a.note(actChange, "port", s.Name, d.String(), p.change(n, s))
		}
	}
}

// portDetail says why a port that was made is not up.
func (n *Node) portDetail(name string) string {
	if p := n.ports[name]; p != nil {
		if row := p.describe(); row.State != ctl.StateUp {
			return row.State + ": " + row.Reason
		}
	}
	return ""
}

// differences are fields that change: "mtu 1400 -> 1300".
type differences []string

func (d *differences) add(field string, from, to any) {
	if a, b := text(from), text(to); a != b {
		*d = append(*d, fmt.Sprintf("%s %s -> %s", field, a, b))
	}
}

func (d *differences) String() string { return strings.Join(*d, ", ") }

// text is how a field's value is shown; what is not set is "default".
func text(v any) string {
	switch s := fmt.Sprint(v); s {
	case "", "0":
		return "default"
	default:
		return s
	}
}

// mustAddr reads an address that was validated.
func mustAddr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

// sorted gives the values of a map in order of their keys, in a slice of its
// own, so that the map may change meanwhile.
func sorted[K comparable, V any](m map[K]V, compare func(K, K) int) []V {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	list := make([]V, len(keys))
	for i, k := range keys {
		list[i] = m[k]
	}
	return list
}
