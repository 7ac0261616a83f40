package daemon

import (
	"context"
	"maps"

	"weft/ctl"
	"weft/lab"
	"weft/lab/topology"
)

// noCommands says why nothing can be run in a node.
func (l *Lab) noCommands(node string) error {
	n := l.current().Node(node)
	if n == nil {
		return ctl.NotFound("there is no node %q in lab %s", node, l.topologyName())
	}
	return ctl.Invalid("nothing can be run in %s, a node of kind %s", node, n.Kind)
}

// inspect describes the lab as it is.
func (l *Lab) inspect(ctx context.Context) lab.Lab {
	l.mu.Lock()
	t, w := l.topology, l.wiring
	routers := maps.Clone(l.routers)
	l.mu.Unlock()

	out := lab.Lab{Name: t.Name, Dir: string(l.dir), StartedAt: l.started, Nodes: []lab.Node{}, Links: []lab.Link{}}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		row := lab.Node{Name: n.Name, Kind: n.Kind, State: ctl.StateUp, Interfaces: interfaces(t, n)}
		if s := l.spaceOf(n.Name); s != nil {
			row.Processes = len(l.processes.In(s))
		}
		if r := routers[n.Name]; n.Kind == topology.Router && r != nil {
			row.Socket = l.dir.RouterSocket(n.Name)
			select {
			case <-r.process.Done():
				row.State, row.Reason = ctl.StateDown, "weft run ended: "+tail(l.dir.File(n.Name+".log"))
			default:
			}
		}
		if n.Kind == topology.VM {
			l.describeVM(t, w, n, &row)
		}
		if n.Kind == topology.Container {
			l.describeContainer(ctx, n, &row)
		}
		if n.Kind == topology.Remote {
			l.describeRemote(ctx, n, &row)
		}
		out.Nodes = append(out.Nodes, row)
	}
	ports := l.ports(ctx, routers)
	for i := range t.Links {
		out.Links = append(out.Links, l.describe(&t.Links[i], w, ports))
	}
	return out
}

// interfaces lists a node's, those that are only link ends too.
func interfaces(t *topology.Topology, n *topology.Node) []topology.Interface {
	list := append([]topology.Interface{}, n.Interfaces...)
	known := map[string]bool{}
	for _, i := range list {
		known[i.Name] = true
	}
	for _, link := range t.Links {
		for _, e := range []topology.End{link.A, link.B} {
			if e.Node == n.Name && !known[e.Port] {
				known[e.Port] = true
				list = append(list, topology.Interface{Name: e.Port})
			}
		}
	}
	return list
}

// ports has every port of the lab's switch and routers.
func (l *Lab) ports(ctx context.Context, routers map[string]*router) map[portAt]ctl.Port {
	all := map[portAt]ctl.Port{}
	add := func(name string, list []ctl.Port, err error) {
		if err != nil {
			l.log.Warn().Err(err).Str("router", name).Msg("list ports")
		}
		for _, p := range list {
			all[portAt{router: name, name: p.Name}] = p
		}
	}
	list, err := l.node.Ports(ctx, "")
	add("", list, err)
	for name, r := range routers {
		list, err := r.client.Ports(ctx, "")
		add(name, list, err)
	}
	return all
}

func (l *Lab) describe(link *topology.Link, w *wiring, ports map[portAt]ctl.Port) lab.Link {
	row := lab.Link{Link: *link, State: ctl.StateUp, Ports: []lab.Port{}}
	if link.Down {
		row.State = ctl.StateDown
	}
	for _, e := range []topology.End{link.A, link.B} {
		at, ok := w.ends[e]
		if !ok {
			continue
		}
		socket := l.dir.File(lab.SwitchName)
		if at.router != "" {
			socket = l.dir.RouterSocket(at.router)
		}
		p := ports[at]
		if row.State == ctl.StateUp && p.State != ctl.StateUp && p.State != "" {
			row.State, row.Reason = p.State, p.Reason
		}
		row.Ports = append(row.Ports, lab.Port{End: e, Name: at.name, Socket: socket, Traffic: p.Traffic})
	}
	return row
}
