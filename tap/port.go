package tap

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"weft/frame"
)

// Errors to branch on.
var (
	// ErrNoNamespace: the network namespace does not exist (any more).
	ErrNoNamespace = errors.New("no such network namespace")
	// ErrExists: the namespace has an interface of that name.
	ErrExists = errors.New("interface exists")
	// ErrGone: the device was destroyed under the port.
	ErrGone = errors.New("interface is gone")
	// ErrUnsupported: this system or backend cannot do what was asked for.
	ErrUnsupported = errors.New("not supported here")
)

// Backend is a way to open a TAP.
type Backend uint8

// The backends.
const (
	Native   Backend = iota // weft's own on Linux, Portable elsewhere
	Portable                // songgao/water
)

// Config asks for a TAP.
type Config struct {
	// IfName is the interface's name, at most 15 bytes.
	IfName string
	// NetNS is the namespace the interface lives in: a name under
	// /run/netns, a PID or a path; "" is the caller's.
	NetNS string
	// MAC is the interface's address; zero leaves it to the kernel.
	MAC frame.MAC
	// Addresses are put on the interface.
	Addresses []netip.Prefix
	// MTU in bytes, without Ethernet header; 0 leaves the kernel's 1500.
	MTU int
	// Superframe is the largest superframe in bytes that the interface is given;
	// 0 leaves it to the kernel, which has 65,536.
	Superframe int
	// NoOffload has the kernel finish every frame and takes finished ones.
	NoOffload bool
	Backend   Backend
}

// Features are the offloads a port got from its kernel.
type Features struct {
	Checksum bool // frames may come and go with NeedsCsum
	TSO      bool // TCP superframes
	USO      bool // UDP superframes (Linux 6.2)
}

// Rx is the receive queue of a port; vswitch.Rx has its contract.
type Rx interface {
	ReadBatch(b *frame.Batch) error
}

// Tx is a transmit handle of a port; vswitch.Tx has its contract.
type Tx = interface {
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// device is what a backend opens.
type device interface {
	rx() Rx
	newTx(down *atomic.Bool) Tx
	close() error
}

// Port is an open TAP.
type Port struct {
	dev      device
	ifName   string
	mac      frame.MAC
	mtu      int
	features Features
	down     atomic.Bool // by the last write: the interface is administratively down
}

// Rx is the port's receive queue. Its ReadBatch gives an error that wraps
// [ErrGone] when the device was destroyed, os.ErrClosed after Close.
func (p *Port) Rx() Rx { return p.dev.rx() }

// NewTx gives a transmit handle.
func (p *Port) NewTx() Tx { return p.dev.newTx(&p.down) }

// Close removes the interface.
func (p *Port) Close() error { return p.dev.close() }

// IfName is the interface's name when it was made.
func (p *Port) IfName() string { return p.ifName }

// MAC is the interface's address, zero where the backend does not tell.
func (p *Port) MAC() frame.MAC { return p.mac }

// Features tells the offloads in use.
func (p *Port) Features() Features { return p.features }

// LinkDown reports whether the last frame was refused because somebody set the
// interface down.
func (p *Port) LinkDown() bool { return p.down.Load() }
