package vswitch

import "weft/frame"

// Port is where frames leave the switch: a TAP, or one remote VTEP.
type Port interface {
	// NewTx gives a transmit handle with scratch memory of its own. Each
	// worker asks once and keeps it. Safe for concurrent use.
	NewTx() Tx
}

// Tx sends frames out of one port. It is an alias of an unnamed interface so
// that a package with a port need not import this one to return it.
type Tx = interface {
	// WriteBatch sends bufs in order and never blocks: a frame that there is
	// no room for is dropped. Every frame ends up in t, sent or dropped with
	// its reason. The frames are borrowed until it returns; it may write their
	// headroom and complete checksums in place, nothing else. Not safe for
	// concurrent use; the port's other Tx may be used meanwhile. After the
	// port is closed it drops everything as port_down.
	WriteBatch(bufs []*frame.Buf, t *frame.Tally)
}

// Rx is one receive queue.
type Rx interface {
	// ReadBatch waits until there is at least one frame, or something to
	// count, and puts what is there, at most a batch, into b, which it resets.
	// The frames are valid until the next call. An error is final: the queue
	// was closed or its device is gone. Not safe for concurrent use. Closing
	// the port wakes it.
	//
	// The Rx of a tunnel sets VNI and Ingress of each frame.
	ReadBatch(b *frame.Batch) error
}

// Polled is a receive queue that also gives what it has without waiting.
type Polled interface {
	// PollBatch is ReadBatch, but leaves b empty where there is nothing. more
	// reports that there may be frames that the queue's descriptor does not
	// show.
	PollBatch(b *frame.Batch) (more bool, err error)
}

// PortConfig is how a local port behaves.
type PortConfig struct {
	Name    string
	Network string
	// MTU is the largest payload of a frame that may leave by the port, in
	// bytes, without Ethernet header and tag. 0 is the network's.
	MTU  int
	VLAN VLANPolicy
}

// PeerConfig is how a remote VTEP behaves.
type PeerConfig struct {
	Name string
	// MTU is the largest payload of an inner frame without a tag that the
	// underlay carries.
	MTU int
	// Networks names those that reach over the peer; nil is all of them.
	Networks []string
}

// attachment is a port or a remote VTEP in a snapshot. It is immutable but for
// the counters; a change makes a new one.
type attachment struct {
	id       frame.PortID
	name     string
	port     Port
	counters *frame.Counters
	mtu      int
	down     bool

	// A local port has a network and a VLAN policy.
	network string
	domain  *domain
	ownMTU  bool
	vlans   VLANPolicy

	// A remote VTEP reaches several networks, all when networks is nil.
	remote   bool
	networks []string
	member   map[frame.VNI]bool
}

// reaches reports whether a remote VTEP takes part in the network.
func (a *attachment) reaches(v frame.VNI) bool { return a.member == nil || a.member[v] }
