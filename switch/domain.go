package vswitch

import (
	"time"

	"weft/fib"
	"weft/frame"
)

// NetworkConfig is a bridge domain. VNI and MTU must be given.
type NetworkConfig struct {
	Name string
	VNI  frame.VNI
	// MTU is the largest payload of a frame on the network's ports, in bytes.
	MTU int
	// Age is how long a silent address is remembered; 0 is [DefaultAge].
	Age time.Duration
	// FDBLimit is how many addresses the network remembers; 0 is the default.
	FDBLimit int
	// PortFDBLimit is how many of them may be behind one port or remote VTEP;
	// 0 is no bound but FDBLimit.
	PortFDBLimit int
	// ForwardReserved passes 01:80:c2:00:00:00 to :0f on.
	ForwardReserved bool
	// NoLearning has every frame flooded but for what static entries say, as a
	// hub does and, with two ports, a cable.
	NoLearning bool
}

// DefaultAge is the ageing time that IEEE 802.1Q-2018 table 8-6 recommends.
const DefaultAge = 300 * time.Second

// domain is a bridge domain in a snapshot: immutable but for its FIB, which all
// snapshots share.
type domain struct {
	NetworkConfig
	fib *fib.Table

	// flood is every port and every remote VTEP of the network that is up, in
	// order of PortID.
	flood []*attachment
}

// ticks gives a duration in FIB ticks, rounded up so that a short age is not 0.
func ticks(d time.Duration) fib.Tick {
	return fib.Tick((d + fib.TickLength - 1) / fib.TickLength)
}

func (c *NetworkConfig) fibConfig() fib.Config {
	return fib.Config{Limit: c.FDBLimit, PortLimit: c.PortFDBLimit, Age: ticks(c.Age)}
}
