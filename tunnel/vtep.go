package tunnel

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"weft/frame"
)

// Errors to branch on.
var (
	// ErrFamily: an IPv4 VTEP has no way to an IPv6 one, nor the reverse.
	ErrFamily = errors.New("address family differs from the VTEP's")
	// ErrHopExists: the address is a hop already.
	ErrHopExists = errors.New("remote VTEP exists")
)

// Config asks for a VTEP.
type Config struct {
	Address netip.Addr
	Port    uint16 // 0 is DefaultPort
	// Strict drops frames whose reserved VXLAN bits are set, as Linux and OVS
	// do. RFC 7348 section 5 has the receiver ignore them.
	Strict bool
	// NoGSO and NoGRO have every datagram cross the socket on its own.
	NoGSO, NoGRO bool
	// NoTunnelGSO has superframes cut before they leave, as NoGSO has.
	NoTunnelGSO bool
	// Refused, unless it is nil, is told of each ability (udp_gso, udp_gro,
	// tunnel_gso) that the kernel refuses after it was there, once and by the
	// goroutine that found out.
	Refused func(ability, reason string)
	// Sockets are used instead of new ones; Open takes ownership. Address and
	// Port are theirs.
	Sockets Sockets
	// MTU is the largest payload of an inner frame in bytes. Superframes from
	// a kernel on the same machine, whose segment size is not known, are cut
	// to it at first.
	MTU int
}

// Sockets are a VTEP's, bound in the network namespace that its packets are to
// travel in, for a process in another one: the files from [Bind], in its order.
type Sockets []*os.File

// Close closes sockets that no VTEP was opened with.
func (s Sockets) Close() {
	for _, f := range s {
		_ = f.Close()
	}
}

// VTEP is a local tunnel end.
type VTEP struct {
	config Config
	addr   netip.AddrPort
	sock   sockets
	rx     *Rx

	gso, gro feature
	whole    feature // superframes leave whole, by the outlet
	outlet   outlet
	counters frame.Counters // of what belongs to no hop
	scratch  sync.Pool      // of *encapsulator
	mtu      atomic.Int64

	mu   sync.Mutex // guards writing hops
	hops atomic.Pointer[map[netip.Addr]*Hop]
}

// feature is an ability of the kernel: on until it refuses.
type feature struct {
	off    atomic.Bool
	tell   func(reason string) // nil until it is open to refusal
	mu     sync.Mutex
	reason string
}

// disable turns the feature off; the first reason is kept, and told.
func (f *feature) disable(reason string) {
	f.mu.Lock()
	first := !f.off.Swap(true)
	if first {
		f.reason = reason
	}
	f.mu.Unlock()
	if first && f.tell != nil {
		f.tell(reason)
	}
}

func (f *feature) state() (on bool, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.off.Load(), f.reason
}

// Open binds the VTEP's sockets, or takes those that it is given. Errors wrap the system's.
func Open(c Config) (*VTEP, error) {
	if c.Sockets != nil {
		addr, err := c.Sockets.Addr()
		if err != nil {
			return nil, fmt.Errorf("sockets of the VTEP: %w", err)
		}
		c.Address, c.Port = addr.Addr(), addr.Port()
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	v := &VTEP{config: c, addr: netip.AddrPortFrom(c.Address, c.Port)}
	v.mtu.Store(int64(c.MTU))
	v.hops.Store(&map[netip.Addr]*Hop{})
	if c.NoGSO {
		v.gso.disable("turned off by the configuration")
	}
	if c.NoGRO {
		v.gro.disable("turned off by the configuration")
	}
	if c.NoGSO || c.NoTunnelGSO {
		v.whole.disable("turned off by the configuration")
	}
	if c.Refused != nil {
		v.gso.tell = func(reason string) { c.Refused("udp_gso", reason) }
		v.gro.tell = func(reason string) { c.Refused("udp_gro", reason) }
	}
	if err := v.sock.open(v); err != nil {
		return nil, fmt.Errorf("VTEP %s: %w", v.addr, err)
	}
	if !v.whole.off.Load() {
		if err := v.outlet.open(v); err != nil {
			v.whole.disable(err.Error())
		}
	}
	if c.Refused != nil {
		v.whole.tell = func(reason string) { c.Refused("tunnel_gso", reason) }
	}
	v.scratch.New = func() any { return newEncapsulator(v) }
	v.rx = newRx(v)
	return v, nil
}

// Close releases the sockets and wakes the Rx.
func (v *VTEP) Close() error { return errors.Join(v.sock.close(), v.outlet.close()) }

// Addr is the VTEP's address and port.
func (v *VTEP) Addr() netip.AddrPort { return v.addr }

// Rx is the receive queue; its frames name the hop they came from.
func (v *VTEP) Rx() *Rx { return v.rx }

// SetMTU changes [Config].MTU.
func (v *VTEP) SetMTU(mtu int) { v.mtu.Store(int64(mtu)) }

// GSO reports whether trains of datagrams are sent in one call (UDP_SEGMENT),
// and why not.
func (v *VTEP) GSO() (on bool, reason string) { return v.gso.state() }

// GRO reports whether trains are received in one call (UDP_GRO), and why not.
func (v *VTEP) GRO() (on bool, reason string) { return v.gro.state() }

// TunnelGSO reports whether superframes leave whole, to be cut by the interface
// that they leave by, and why not: of hops that they are cut for, of one.
func (v *VTEP) TunnelGSO() (on bool, reason string) {
	if on, reason = v.whole.state(); !on {
		return on, reason
	}
	for _, h := range *v.hops.Load() {
		if w := h.way.Load(); w != nil && w.obstacle != "" {
			return false, w.obstacle
		}
	}
	return true, ""
}

// Superframe is the largest superframe, in bytes, that leaves in one send to
// every hop.
func (v *VTEP) Superframe() int {
	if on, _ := v.TunnelGSO(); !on && len(*v.hops.Load()) > 0 {
		return maxCut
	}
	return maxWhole
}

// Stats counts what belongs to no hop: datagrams of unknown VTEPs, and those
// that the receive socket had no room for.
func (v *VTEP) Stats() frame.Stats { return v.counters.Load() }

// NewHop makes a remote VTEP that can be sent to. Nothing is received from it
// before [VTEP.Admit].
func (v *VTEP) NewHop(addr netip.AddrPort) (*Hop, error) {
	if addr.Port() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), v.addr.Port())
	}
	if addr.Addr().Is4() != v.addr.Addr().Is4() {
		return nil, fmt.Errorf("%s: %w (%s)", addr.Addr(), ErrFamily, v.addr.Addr())
	}
	return &Hop{vtep: v, addr: addr}, nil
}

// Admit has frames from the hop received; they carry id as their Ingress.
func (v *VTEP) Admit(h *Hop, id frame.PortID) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := *v.hops.Load()
	if old[h.addr.Addr()] != nil {
		return fmt.Errorf("%s: %w", h.addr.Addr(), ErrHopExists)
	}
	h.id = id
	hops := maps.Clone(old)
	hops[h.addr.Addr()] = h
	v.hops.Store(&hops)
	return nil
}

// Expel has frames from the hop dropped as of an unknown VTEP.
func (v *VTEP) Expel(h *Hop) {
	v.mu.Lock()
	defer v.mu.Unlock()
	hops := maps.Clone(*v.hops.Load())
	if hops[h.addr.Addr()] == h {
		delete(hops, h.addr.Addr())
	}
	v.hops.Store(&hops)
}

// Hop is a remote VTEP: a port of the switch that many networks share.
type Hop struct {
	vtep     *VTEP
	addr     netip.AddrPort
	id       frame.PortID   // written before the hop is in the table, then read only
	counters frame.Counters // of drops before the switch sees the frame
	lastErr  atomic.Pointer[error]
	way      atomic.Pointer[way] // nil where none is known
}

// way is how superframes leave towards a hop.
type way struct {
	obstacle string // why they are cut before, "" when they leave whole
	ifIndex  int    // of the interface that they leave by
	mtu      int    // of the outer IP packets that they are cut to, in bytes
}

// Addr is the remote VTEP's address and the port it is sent to.
func (h *Hop) Addr() netip.AddrPort { return h.addr }

// Stats counts the hop's frames that were dropped in the tunnel.
func (h *Hop) Stats() frame.Stats { return h.counters.Load() }

// Err is why the last send to the hop failed, nil when it did not.
func (h *Hop) Err() error {
	if err := h.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *Hop) setErr(err error) { h.lastErr.Store(&err) }

// clearErr is apart from setErr, whose argument goes to the heap: it is called
// for every send.
func (h *Hop) clearErr() {
	if h.lastErr.Load() != nil {
		h.lastErr.Store(nil)
	}
}

// Tx is a transmit handle of a hop; vswitch.Tx has its contract.
type Tx = interface {
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// NewTx gives a transmit handle. Its scratch memory is borrowed from the VTEP
// for the time of a write, so that a hundred hops need no more than one.
func (h *Hop) NewTx() Tx { return (*hopTx)(h) }

type hopTx Hop

// WriteBatch encapsulates bufs and sends them to the hop.
func (t *hopTx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	e, _ := t.vtep.scratch.Get().(*encapsulator)
	e.send((*Hop)(t), bufs, tally)
	t.vtep.scratch.Put(e)
}
