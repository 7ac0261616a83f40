package ctl

import (
	"time"

	"weft/impair"
)

// Status is what `weft status` shows.
type Status struct {
	Name          string    `json:"name"`
	Version       string    `json:"version"`
	PID           int       `json:"pid"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	// VTEP is the tunnel's own end, "" where the daemon has none.
	VTEP     string    `json:"vtep"`
	VTEPPort uint16    `json:"vtep_port"`
	MTU      int       `json:"mtu"` // of a network that does not set its own, in bytes
	Networks int       `json:"networks"`
	Ports    int       `json:"ports"`
	Peers    int       `json:"peers"`
	Features []Feature `json:"features"`
	Totals   Stats     `json:"totals"`
}

// Feature is an ability of the kernel that was probed when it was first wanted.
type Feature struct {
	Name    string `json:"name"` // udp_gso, udp_gro, tunnel_gso, tap_tso, tap_uso...
	Enabled bool   `json:"enabled"`
	Reason  string `json:"reason"` // why it is off, "" when it is on
}

// Network is one row of `weft network ls`.
type Network struct {
	Name       string `json:"name"`
	VNI        uint32 `json:"vni"`
	MTU        int    `json:"mtu"`   // in bytes, of the frame's payload
	Ports      int    `json:"ports"` // how many
	Peers      int    `json:"peers"` // how many
	FDBEntries int    `json:"fdb_entries"`
	FDBLimit   int    `json:"fdb_limit"`
	AgeSeconds int64  `json:"age_seconds"` // after which a silent address is forgotten
	NoLearning bool   `json:"no_learning,omitempty"`
}

// NetworkSpec asks for a network. Zero values take the defaults.
type NetworkSpec struct {
	Name     string `json:"name"`
	VNI      uint32 `json:"vni"`
	MTU      int    `json:"mtu,omitempty"`
	FDBLimit int    `json:"fdb_limit,omitempty"`
	// PortFDBLimit bounds the addresses behind one port or peer.
	PortFDBLimit int   `json:"port_fdb_limit,omitempty"`
	AgeSeconds   int64 `json:"age_seconds,omitempty"`
	// ForwardReserved passes 01:80:c2:00:00:00 to :0f (STP, LACP, LLDP) on.
	ForwardReserved bool `json:"forward_reserved,omitempty"`
	// NoLearning floods every frame that no static entry is about.
	NoLearning bool `json:"no_learning,omitempty"`
}

// The states of ports and peers.
const (
	StateUp          = "up"
	StateDown        = "down"
	StateWaiting     = "waiting" // for a peer, which stream and dgram ports have
	StateUnreachable = "unreachable"
)

// Traffic counts frames as they are on a wire: a superframe counts as its segments.
type Traffic struct {
	RxFrames uint64            `json:"rx_frames"`
	RxBytes  uint64            `json:"rx_bytes"`
	TxFrames uint64            `json:"tx_frames"`
	TxBytes  uint64            `json:"tx_bytes"`
	Drops    map[string]uint64 `json:"drops"` // reason to count, reasons that occurred only
}

// Stats is the traffic of everything together.
type Stats = Traffic

// Port is one row of `weft port ls`.
type Port struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	Type    string `json:"type"` // tap, stream, dgram
	IfName  string `json:"ifname"`
	NetNS   string `json:"netns"` // as it was asked for, "" for the daemon's own
	MAC     string `json:"mac"`
	MTU     int    `json:"mtu"`
	VLAN    string `json:"vlan"`   // "" (all), "access 10", "trunk 10,20-29", "trunk 10 native 5"
	Listen  string `json:"listen"` // of stream and dgram, as it was asked for
	Connect string `json:"connect"`
	State   string `json:"state"`  // up, down, waiting
	Reason  string `json:"reason"` // why it is not up
	// Impair is the conditions of its link, left out where that is perfect.
	Impair impair.Both `json:"impair,omitzero"`
	Traffic
}

// LinkSpec changes the link between a port and what is attached to it. What is
// left out stays as it is; an empty Spec is a perfect link.
type LinkSpec struct {
	State string       `json:"state,omitempty"` // up, down
	To    *impair.Spec `json:"to,omitempty"`    // what is attached
	From  *impair.Spec `json:"from,omitempty"`
}

// CaptureSpec says what of a port's frames is wanted.
type CaptureSpec struct {
	Filter  string // in tcpdump's syntax; "" is everything
	SnapLen int    // bytes of a frame; 0 is all
	Count   int    // frames; 0 is no end
}

// PortSpec asks for a port. Network may be left out where it is known from around.
type PortSpec struct {
	Name    string   `json:"name"`
	Network string   `json:"network"`
	Type    string   `json:"type,omitempty"`  // tap when empty, stream, dgram
	NetNS   string   `json:"netns,omitempty"` // name, PID or path
	As      string   `json:"as,omitempty"`    // interface name, Name when empty
	MAC     string   `json:"mac,omitempty"`
	Address []string `json:"address,omitempty"` // CIDR
	// Listen and Connect are the ends of a port that is no TAP: unix:PATH,
	// tcp:HOST:PORT, udp:HOST:PORT. A stream has one of them, a dgram both.
	Listen  string   `json:"listen,omitempty"`
	Connect string   `json:"connect,omitempty"`
	MTU     int      `json:"mtu,omitempty"`
	Access  uint16   `json:"access,omitempty"` // VLAN id of an access port
	Trunk   []string `json:"trunk,omitempty"`  // VLAN ids and ranges ("20-29") of a trunk
	Native  uint16   `json:"native,omitempty"` // VLAN id of a trunk's untagged frames
	// Impair is the conditions of the port's link.
	Impair impair.Both `json:"impair,omitzero"`
}

// Peer is one row of `weft peer ls`.
type Peer struct {
	Address  string   `json:"address"`
	Port     uint16   `json:"port"`
	Name     string   `json:"name"`
	State    string   `json:"state"`  // up, unreachable
	Reason   string   `json:"reason"` // why it is not up
	Networks []string `json:"networks"`
	Traffic
}

// PeerSpec asks for a remote VTEP. Port 0 is the VTEP's own port; no Networks
// means all of them, those that are added later too.
type PeerSpec struct {
	Address  string   `json:"address"`
	Port     uint16   `json:"port,omitempty"`
	Networks []string `json:"networks,omitempty"`
}

// The kinds of FDB entries.
const (
	KindLearned    = "learned"
	KindStatic     = "static"
	KindAdvertised = "advertised"
)

// FDBEntry is one row of `weft fdb ls`. Exactly one of Port and Peer is set,
// the other is null in JSON.
type FDBEntry struct {
	Network    string   `json:"network"`
	VNI        uint32   `json:"vni"`
	VLAN       uint16   `json:"vlan"`
	MAC        string   `json:"mac"`
	Kind       string   `json:"kind"`
	Port       Nullable `json:"port"`
	Peer       Nullable `json:"peer"`
	AgeSeconds int64    `json:"age_seconds"` // since the last frame from it
}

// FDBSpec names a static entry; exactly one of Port and Peer is set.
type FDBSpec struct {
	Network string `json:"network"`
	MAC     string `json:"mac"`
	VLAN    uint16 `json:"vlan,omitempty"`
	Port    string `json:"port,omitempty"`
	Peer    string `json:"peer,omitempty"`
}

// FDBFilter narrows a listing or a flush. Empty fields match everything.
type FDBFilter struct {
	Network string `json:"network,omitempty"`
	Port    string `json:"port,omitempty"`
	Peer    string `json:"peer,omitempty"`
}

// Config is a whole daemon: what a weft.yaml says and what apply is given.
type Config struct {
	Name     string        `json:"name,omitempty"`
	VTEP     *VTEPSpec     `json:"vtep,omitempty"`
	Peers    []PeerSpec    `json:"peers,omitempty"`
	Networks []NetworkSpec `json:"networks,omitempty"`
	Ports    []PortSpec    `json:"ports,omitempty"`
	Offload  *OffloadSpec  `json:"offload,omitempty"`
	// Workers is how many threads switch frames; 0 is one for every two
	// processors.
	Workers int `json:"workers,omitempty"`
}

// VTEPSpec is the daemon's own tunnel end.
type VTEPSpec struct {
	Address string `json:"address"`
	Port    uint16 `json:"port,omitempty"`   // 4789 when 0
	Strict  bool   `json:"strict,omitempty"` // drop frames with reserved VXLAN bits
}

// MaxWorkers bounds [Config].Workers: more threads than any machine has
// processors for.
const MaxWorkers = 1024

// The values of an [OffloadSpec] field; "" is auto.
const (
	OffloadAuto     = "auto"
	OffloadOff      = "off"
	OffloadPortable = "portable" // of TAP alone: the backend of other systems, which has no offloads
)

// OffloadSpec turns accelerations off.
type OffloadSpec struct {
	TAP string `json:"tap,omitempty"`
	GSO string `json:"gso,omitempty"`
	GRO string `json:"gro,omitempty"`
	// TunnelGSO: superframes are left to the interface to cut; without GSO they
	// are not.
	TunnelGSO string `json:"tunnel_gso,omitempty"`
	// Spin: a worker that has nothing to do looks again for a while before it
	// sleeps.
	Spin string `json:"spin,omitempty"`
	// Priority: the daemon has precedence over ordinary processes.
	Priority string `json:"priority,omitempty"`
	// IOUring is for files of other versions: this one does not use io_uring.
	IOUring string `json:"io_uring,omitempty"`
}

// Change is one thing that apply did. A failed change has Error set; apply
// goes on with the others.
type Change struct {
	Action string `json:"action"` // add, remove, change
	Kind   string `json:"kind"`   // network, port, peer
	Name   string `json:"name"`
	Detail string `json:"detail"` // what changed, "" for add and remove
	Error  string `json:"error"`  // "" when it was done
}
