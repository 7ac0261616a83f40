package daemon

import (
	"cmp"
	"context"

	"weft/ctl"
	"weft/lab"
	"weft/lab/topology"
)

// checkVTEP refuses a topology whose remotes want another VTEP than the lab
// was started with: its sockets were bound before the lab had namespaces of its
// own, and from in here there is no way back.
func (l *Lab) checkVTEP(ctx context.Context, t *topology.Topology) error {
	want := t.VTEP()
	if want == nil {
		return nil
	}
	s, err := l.node.Status(ctx)
	if err != nil {
		return err
	}
	has := ctl.VTEPSpec{Address: s.VTEP, Port: s.VTEPPort}
	switch {
	case has.Address == "":
		return ctl.Conflict("lab %s was started without remotes and cannot get one while it runs (weft lab down, then up)", t.Name)
	case cmp.Or(want.Address, has.Address) != has.Address, cmp.Or(want.Port, has.Port) != has.Port:
		return ctl.Conflict("vtep: that of lab %s is %s and cannot change while it runs (weft lab down, then up)",
			t.Name, ctl.FormatHostPort(has.Address, has.Port))
	}
	return nil
}

// describeRemote fills in what there is to say of a remote.
func (l *Lab) describeRemote(ctx context.Context, n *topology.Node, row *lab.Node) {
	spec := n.Peer()
	way := &lab.Tunnel{VNI: n.VNI, Peer: ctl.FormatHostPort(spec.Address, cmp.Or(spec.Port, vxlanPort))}
	if s, err := l.node.Status(ctx); err == nil {
		way.VTEP = ctl.FormatHostPort(s.VTEP, s.VTEPPort)
	}
	networks, _ := l.node.Networks(ctx)
	for _, w := range networks {
		if w.Name == n.Name {
			way.MTU = w.MTU
		}
	}
	peers, _ := l.node.Peers(ctx)
	for _, p := range peers {
		if p.Address == spec.Address {
			row.State, row.Reason = p.State, p.Reason
		}
	}
	row.Tunnel = way
}
