package ctl

import (
	"context"
	"io"
)

// Backend is what the server needs of a daemon. Every method may be called
// from several goroutines at once; a method that changes something has done it
// when it returns nil, and has changed nothing when it returns an error.
// Errors are [Error] values or wrap one; others are internal errors. A name that
// nothing has, in a filter too, is [NoNetwork], [NoPort] or [NoPeer].
type Backend interface {
	Status(ctx context.Context) (Status, error)
	Stats(ctx context.Context) (Stats, error)

	Networks(ctx context.Context) ([]Network, error) // by name
	AddNetwork(ctx context.Context, s NetworkSpec) error
	RemoveNetwork(ctx context.Context, name string) error // with its ports

	Ports(ctx context.Context, network string) ([]Port, error) // by network and name; "" is all networks
	AddPort(ctx context.Context, s PortSpec) error
	RemovePort(ctx context.Context, name string) error
	// Capture writes what passes the port to w as pcapng, until ctx ends, the
	// port is removed or s has enough. Nothing is written before an error of
	// the request.
	Capture(ctx context.Context, port string, s CaptureSpec, w io.Writer) error
	SetLink(ctx context.Context, port string, s LinkSpec) error

	Peers(ctx context.Context) ([]Peer, error) // by address
	AddPeer(ctx context.Context, s PeerSpec) error
	RemovePeer(ctx context.Context, address string) error

	FDB(ctx context.Context, f FDBFilter) ([]FDBEntry, error) // by network, VLAN and MAC
	AddFDB(ctx context.Context, s FDBSpec) error
	RemoveFDB(ctx context.Context, s FDBSpec) error         // Port and Peer are not read
	FlushFDB(ctx context.Context, f FDBFilter) (int, error) // how many learned entries went

	// Apply makes the daemon match c. A c that is wrong as a whole gives an
	// error and changes nothing; a single change that could not be made is in
	// its Change.
	Apply(ctx context.Context, c Config) ([]Change, error)
}
