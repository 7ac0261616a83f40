package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/frame"
	vswitch "weft/switch"
	"weft/tap"
	"weft/tunnel"
)

// defaultMTU is that of a network where there is no underlay to fit in.
const defaultMTU = 1500

// Node is a daemon without its control socket.
type Node struct {
	log     zerolog.Logger
	version string
	started time.Time
	offload ctl.OffloadSpec
	vtepOpt ctl.VTEPSpec // as asked for; Address "" is no VTEP
	sw      *vswitch.Switch
	workers *workers
	vtep    *tunnel.VTEP // nil is no VTEP
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows, and every change
	name     string
	mtu      int // of networks that set none
	networks map[string]*network
	ports    map[string]*port
	peers    map[netip.Addr]*peer
	// superframe is the largest that TAPs give in bytes, 0 for the kernel's limit.
	superframe int
	retired    frame.Stats  // of hops and links that were removed
	priority   *ctl.Feature // nil before prioritize

	tapInUse atomic.Pointer[tap.Features] // what the last TAP got, nil before the first
	tapLess  sync.Once                    // a TAP got less than was asked for, and that is logged
}

// network is a bridge domain as it was asked for.
type network struct {
	spec ctl.NetworkSpec
	mtu  int
}

// New gives a node with a VTEP, if c names one, and nothing else of c. It must
// be closed.
func New(c ctl.Config, version string, log zerolog.Logger) (*Node, error) {
	return NewOver(nil, c, version, log)
}

// NewOver is New with a VTEP in another network namespace, that of the sockets,
// which it takes ownership of; c names none.
func NewOver(sockets tunnel.Sockets, c ctl.Config, version string, log zerolog.Logger) (*Node, error) {
	n := &Node{
		log: log, version: version, started: time.Now(), name: c.Name,
		sw: vswitch.New(), mtu: defaultMTU,
		networks: map[string]*network{}, ports: map[string]*port{}, peers: map[netip.Addr]*peer{},
	}
	if n.name == "" {
		n.name, _ = os.Hostname()
	}
	if c.Offload != nil {
		n.offload = *c.Offload
	}
	var err error
	switch {
	case sockets != nil:
		err = n.adoptVTEP(sockets)
	case c.VTEP != nil:
		err = n.openVTEP(*c.VTEP)
	}
	if err != nil {
		return nil, err
	}
	if n.workers, err = newWorkers(n.sw, c.Workers, n.offload.Spin == ctl.OffloadOff); err != nil {
		return nil, errors.Join(err, n.closeVTEP())
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.running.Go(func() { n.sw.Run(ctx) })
	if n.vtep != nil {
		n.running.Go(func() { n.serveTunnel() })
		n.running.Go(func() { n.watchUnderlay(ctx) })
	}
	return n, nil
}

func (n *Node) openVTEP(s ctl.VTEPSpec) error {
	if s.Port == 0 {
		s.Port = tunnel.DefaultPort
	}
	addr, err := netip.ParseAddr(s.Address)
	if err != nil {
		return ctl.Invalid("vtep: %v", err)
	}
	mtu, err := tunnel.LocalMTU(addr)
	if err != nil {
		return ctl.Failed("vtep: %v", err)
	}
	n.mtu, n.vtepOpt = mtu, s
	return n.openTunnel(tunnel.Config{Address: addr, Port: s.Port, Strict: s.Strict})
}

// adoptVTEP has the room that Ethernet leaves until peers tell of their ways.
func (n *Node) adoptVTEP(sockets tunnel.Sockets) error {
	addr, err := sockets.Addr()
	if err != nil {
		return ctl.Failed("vtep: %v", err)
	}
	n.mtu = defaultMTU - tunnel.Overhead(addr.Addr())
	n.vtepOpt = ctl.VTEPSpec{Address: addr.Addr().String(), Port: addr.Port()}
	return n.openTunnel(tunnel.Config{Sockets: sockets})
}

func (n *Node) openTunnel(c tunnel.Config) (err error) {
	c.MTU = n.mtu
	c.NoGSO, c.NoGRO = n.offload.GSO == ctl.OffloadOff, n.offload.GRO == ctl.OffloadOff
	c.NoTunnelGSO = n.offload.TunnelGSO == ctl.OffloadOff
	c.Refused = func(ability, reason string) {
		n.log.Warn().Str("ability", ability).Str("reason", reason).Msg("going on without it")
	}
	if n.vtep, err = tunnel.Open(c); err != nil {
		return ctl.Failed("%v", err)
	}
	n.superframe = n.vtep.Superframe()
	return nil
}

func (n *Node) serveTunnel() {
	if err := n.workers.serve(n.vtep.Rx(), frame.NoPort); err != nil {
		n.log.Debug().Err(err).Msg("tunnel stopped")
	}
}

// Close removes every port and its interface, and the VTEP.
func (n *Node) Close() {
	n.mu.Lock()
	for _, p := range n.ports {
		p.close()
	}
	clear(n.ports)
	n.mu.Unlock()
	n.stop()
	if err := n.closeVTEP(); err != nil {
		n.log.Warn().Err(err).Msg("close VTEP")
	}
	n.running.Wait()
	n.workers.close()
}

func (n *Node) closeVTEP() error {
	if n.vtep == nil {
		return nil
	}
	return n.vtep.Close()
}

func (n *Node) vtepText() string {
	if n.vtep == nil {
		return "none"
	}
	return n.vtep.Addr().String()
}

// Status implements ctl.Backend.
func (n *Node) Status(ctx context.Context) (ctl.Status, error) {
	totals, err := n.Stats(ctx)
	if err != nil {
		return ctl.Status{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return ctl.Status{
		Name: n.name, Version: n.version, PID: os.Getpid(),
		StartedAt: n.started, UptimeSeconds: int64(time.Since(n.started).Seconds()),
		VTEP: n.vtepOpt.Address, VTEPPort: n.vtepOpt.Port, MTU: n.mtu,
		Networks: len(n.networks), Ports: len(n.ports), Peers: len(n.peers),
		Features: n.features(), Totals: totals,
	}, nil
}

// turnedOff is why what could be used is not.
const turnedOff = "turned off by the configuration"

// features tells what the kernel gave. What no port or VTEP has asked for yet
// is not known and not listed. Callers hold mu.
func (n *Node) features() []ctl.Feature {
	list := []ctl.Feature{}
	add := func(name string, on bool, reason string) {
		if on {
			reason = ""
		}
		list = append(list, ctl.Feature{Name: name, Enabled: on, Reason: reason})
	}
	if n.vtep != nil {
		on, reason := n.vtep.GSO()
		add("udp_gso", on, reason)
		on, reason = n.vtep.GRO()
		add("udp_gro", on, reason)
		on, reason = n.vtep.TunnelGSO()
		add("tunnel_gso", on, reason)
	}
	if f := n.tapInUse.Load(); f != nil {
		reason := "the kernel refused it"
		switch n.offload.TAP {
		case ctl.OffloadOff:
			reason = turnedOff
		case ctl.OffloadPortable:
			reason = "the configuration asks for the portable TAP backend"
		}
		add("tap_checksum", f.Checksum, reason)
		add("tap_tso", f.TSO, reason)
		add("tap_uso", f.USO, reason)
	}
	add("spin", n.workers.spin(), turnedOff)
	if n.priority != nil {
		list = append(list, *n.priority)
	}
	add("io_uring", false, "not used: plain system calls are as fast")
	return list
}

// Stats implements ctl.Backend.
func (n *Node) Stats(context.Context) (ctl.Stats, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := n.sw.Totals()
	sum.Add(n.retired)
	if n.vtep != nil {
		sum.Add(n.vtep.Stats())
	}
	for _, p := range n.peers {
		sum.Add(p.hop.Stats())
	}
	for _, p := range n.ports {
		sum.Add(p.linkStats())
	}
	return traffic(sum), nil
}

func traffic(s frame.Stats) ctl.Traffic {
	return ctl.Traffic{
		RxFrames: s.RxFrames, RxBytes: s.RxBytes, TxFrames: s.TxFrames, TxBytes: s.TxBytes,
		Drops: s.DropMap(),
	}
}

// Networks implements ctl.Backend.
func (n *Node) Networks(context.Context) ([]ctl.Network, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []ctl.Network{}
	for _, w := range n.networks {
		row := ctl.Network{
			Name: w.spec.Name, VNI: w.spec.VNI, MTU: w.mtu, AgeSeconds: w.age(), NoLearning: w.spec.NoLearning,
			FDBEntries: n.sw.Len(w.spec.Name), FDBLimit: n.sw.FDBLimit(w.spec.Name),
		}
		for _, p := range n.ports {
			if p.spec.Network == w.spec.Name {
				row.Ports++
			}
		}
		for _, p := range n.peers {
			if p.reaches(w.spec.Name) {
				row.Peers++
			}
		}
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b ctl.Network) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (w *network) age() int64 {
	if w.spec.AgeSeconds != 0 {
		return w.spec.AgeSeconds
	}
	return int64(vswitch.DefaultAge / time.Second)
}

// AddNetwork implements ctl.Backend.
func (n *Node) AddNetwork(_ context.Context, s ctl.NetworkSpec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addNetwork(s)
}

func (n *Node) addNetwork(s ctl.NetworkSpec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if n.networks[s.Name] != nil {
		return ctl.Conflict("network %q exists already", s.Name)
	}
	for _, w := range n.networks {
		if w.spec.VNI == s.VNI {
			return ctl.Conflict("network %q: VNI %d is in use by %q", s.Name, s.VNI, w.spec.Name)
		}
	}
	w := &network{spec: s, mtu: cmp.Or(s.MTU, n.mtu)}
	if err := n.sw.AddNetwork(w.config()); err != nil {
		return err
	}
	n.networks[s.Name] = w
	return nil
}

// changeNetwork gives a network what may change while it runs: all but its VNI.
func (n *Node) changeNetwork(s ctl.NetworkSpec) error {
	w := n.networks[s.Name]
	old := w.mtu
	w.spec, w.mtu = s, cmp.Or(s.MTU, n.mtu)
	if err := n.sw.UpdateNetwork(w.config()); err != nil {
		return err
	}
	if w.mtu == old {
		return nil
	}
	for _, p := range n.ports {
		if p.spec.Network == s.Name && p.spec.MTU == 0 {
			if err := p.change(n, p.spec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *network) config() vswitch.NetworkConfig {
	return vswitch.NetworkConfig{
		Name: w.spec.Name, VNI: frame.VNI(w.spec.VNI), MTU: w.mtu,
		Age: time.Duration(w.spec.AgeSeconds) * time.Second, FDBLimit: w.spec.FDBLimit,
		PortFDBLimit:    w.spec.PortFDBLimit,
		ForwardReserved: w.spec.ForwardReserved, NoLearning: w.spec.NoLearning,
	}
}

// RemoveNetwork implements ctl.Backend: the network goes with its ports.
func (n *Node) RemoveNetwork(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.removeNetwork(name)
}

func (n *Node) removeNetwork(name string) error {
	if n.networks[name] == nil {
		return ctl.NoNetwork(name)
	}
	for _, p := range n.ports {
		if p.spec.Network == name {
			n.closePort(p)
		}
	}
	if err := n.sw.RemoveNetwork(name); err != nil {
		return err
	}
	delete(n.networks, name)
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// errorText is "" for nil.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint(err)
}
