package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"

	"weft/ctl"
	"weft/frame"
	vswitch "weft/switch"
	"weft/tap"
)

// tapSource makes the interface of a port, and makes it again when it was lost
// with its namespace.
type tapSource struct {
	node *Node

	mu     sync.Mutex // guards what follows; open holds it, so that change sees all or nothing
	netns  string
	config tap.Config
	tap    *tap.Port // nil while there is none
}

func (n *Node) newTAP(s ctl.PortSpec) *tapSource {
	return &tapSource{node: n, netns: s.NetNS, config: n.tapConfig(s)}
}

func (t *tapSource) open(context.Context) (device, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := tap.Open(t.config)
	if err != nil {
		return nil, err
	}
	t.tap = p
	f := p.Features()
	t.node.tapInUse.Store(&f)
	t.node.noteOffloads(t.config, f)
	return tapDevice{p, t}, nil
}

// noteOffloads logs once, for all TAPs, what the kernel refused.
func (n *Node) noteOffloads(c tap.Config, f tap.Features) {
	if c.NoOffload || c.Backend != tap.Native || f.Checksum && f.TSO && f.USO {
		return
	}
	n.tapLess.Do(func() {
		n.log.Warn().Bool("checksum", f.Checksum).Bool("tso", f.TSO).Bool("uso", f.USO).
			Msg("the kernel refused offloads of TAPs; going on without them")
	})
}

// change reconfigures the interface; without one it is for the next.
func (t *tapSource) change(s ctl.PortSpec) error {
	c := t.node.tapConfig(s)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tap != nil {
		if err := t.tap.Reconfigure(t.config, c); err != nil {
			return err
		}
	}
	t.config = c
	return nil
}

func (t *tapSource) describe(row *ctl.Port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row.IfName, row.NetNS, row.MAC = t.config.IfName, t.netns, t.config.MAC.String()
	if t.tap != nil {
		row.MAC = cmp.Or(t.tap.MAC(), t.config.MAC).String()
	}
}

func (t *tapSource) close() error { return nil }

// tapDevice is an open interface.
type tapDevice struct {
	*tap.Port
	source *tapSource
}

func (d tapDevice) Rx() vswitch.Rx { return d.Port.Rx() }

func (d tapDevice) Close() error {
	d.source.mu.Lock()
	d.source.tap = nil
	d.source.mu.Unlock()
	return d.Port.Close()
}

func (d tapDevice) LinkDown() string {
	if !d.Port.LinkDown() {
		return ""
	}
	return "the interface is set down (ip link set " + d.IfName() + " up)"
}

// tapConfig is the interface that a valid spec asks for.
func (n *Node) tapConfig(s ctl.PortSpec) tap.Config {
	c := tap.Config{
		IfName: s.IfName(), NetNS: s.NetNS, MTU: n.portMTU(s),
		NoOffload: n.offload.TAP == ctl.OffloadOff, MAC: n.portMAC(s), Superframe: n.superframe,
	}
	if n.offload.TAP == ctl.OffloadPortable {
		c.Backend = tap.Portable
	}
	for _, a := range s.Address {
		if p, err := netip.ParsePrefix(a); err == nil {
			c.Addresses = append(c.Addresses, p)
		}
	}
	return c
}

// portMAC is the address of the interface that a valid spec asks for. Without
// one given it is the same as before after a restart or when the interface
// comes back, so that its neighbours' ARP caches stay right. It is then locally
// administered (IEEE 802-2014 section 8.4).
func (n *Node) portMAC(s ctl.PortSpec) frame.MAC {
	if m, err := frame.ParseMAC(s.MAC); err == nil {
		return m
	}
	sum := sha256.Sum256([]byte(n.name + "\x00" + n.vtepText() + "\x00" + s.Name))
	m := frame.MAC(sum[:6])
	m[0] = m[0]&^1 | 2
	return m
}
