package ctl

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// get reads one thing.
func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	err := c.do(ctx, http.MethodGet, path, nil, &v)
	return v, err
}

// Status asks what the daemon is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status")
}

// Stats asks for the traffic of everything together.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return get[Stats](ctx, c, "/v1/stats")
}

// Networks lists the networks by name.
func (c *Client) Networks(ctx context.Context) ([]Network, error) {
	return get[[]Network](ctx, c, "/v1/networks")
}

// Network asks for one network.
func (c *Client) Network(ctx context.Context, name string) (Network, error) {
	path, ok := named("/v1/networks/", name)
	if !ok {
		return Network{}, NoNetwork(name)
	}
	return get[Network](ctx, c, path)
}

// AddNetwork makes a network.
func (c *Client) AddNetwork(ctx context.Context, s NetworkSpec) error {
	return c.do(ctx, http.MethodPost, "/v1/networks", s, nil)
}

// RemoveNetwork removes a network with its ports.
func (c *Client) RemoveNetwork(ctx context.Context, name string) error {
	path, ok := named("/v1/networks/", name)
	if !ok {
		return NoNetwork(name)
	}
	return c.do(ctx, http.MethodDelete, path, nil, nil)
}

// Ports lists the ports of a network, or of all with "".
func (c *Client) Ports(ctx context.Context, network string) ([]Port, error) {
	return get[[]Port](ctx, c, query("/v1/ports", "network", network))
}

// Port asks for one port.
func (c *Client) Port(ctx context.Context, name string) (Port, error) {
	path, ok := named("/v1/ports/", name)
	if !ok {
		return Port{}, NoPort(name)
	}
	return get[Port](ctx, c, path)
}

// AddPort makes a port.
func (c *Client) AddPort(ctx context.Context, s PortSpec) error {
	return c.do(ctx, http.MethodPost, "/v1/ports", s, nil)
}

// RemovePort removes a port and its interface.
func (c *Client) RemovePort(ctx context.Context, name string) error {
	path, ok := named("/v1/ports/", name)
	if !ok {
		return NoPort(name)
	}
	return c.do(ctx, http.MethodDelete, path, nil, nil)
}

// SetLink changes conditions and state of a port's link.
func (c *Client) SetLink(ctx context.Context, port string, s LinkSpec) error {
	path, ok := named("/v1/ports/", port)
	if !ok {
		return NoPort(port)
	}
	return c.do(ctx, http.MethodPut, path+"/link", s, nil)
}

// Capture copies what passes a port to w, as pcapng, until ctx ends.
func (c *Client) Capture(ctx context.Context, port string, s CaptureSpec, w io.Writer) error {
	path, ok := named("/v1/ports/", port)
	if !ok {
		return NoPort(port)
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	path = query(path+"/capture", "filter", s.Filter, "snaplen", number(s.SnapLen), "count", number(s.Count))
	err := c.copyTo(ctx, path, w)
	if ctx.Err() != nil {
		return nil // which is how a capture ends
	}
	return err
}

// Peers lists the remote VTEPs by address.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return get[[]Peer](ctx, c, "/v1/peers")
}

// AddPeer adds a remote VTEP.
func (c *Client) AddPeer(ctx context.Context, s PeerSpec) error {
	return c.do(ctx, http.MethodPost, "/v1/peers", s, nil)
}

// RemovePeer removes a remote VTEP.
func (c *Client) RemovePeer(ctx context.Context, address string) error {
	path, ok := named("/v1/peers/", address)
	if !ok {
		return NoPeer(address)
	}
	return c.do(ctx, http.MethodDelete, path, nil, nil)
}

// FDB lists the forwarding table.
func (c *Client) FDB(ctx context.Context, f FDBFilter) ([]FDBEntry, error) {
	return get[[]FDBEntry](ctx, c, query("/v1/fdb", "network", f.Network, "port", f.Port, "peer", f.Peer))
}

// AddFDB makes a static entry.
func (c *Client) AddFDB(ctx context.Context, s FDBSpec) error {
	return c.do(ctx, http.MethodPost, "/v1/fdb", s, nil)
}

// RemoveFDB removes an entry; Port and Peer are not looked at.
func (c *Client) RemoveFDB(ctx context.Context, s FDBSpec) error {
	path := query("/v1/fdb", "network", s.Network, "mac", s.MAC, "vlan", vlanText(s.VLAN))
	return c.do(ctx, http.MethodDelete, path, nil, nil)
}

// FlushFDB forgets the learned entries that f matches and says how many they were.
func (c *Client) FlushFDB(ctx context.Context, f FDBFilter) (int, error) {
	var n flushed
	err := c.do(ctx, http.MethodPost, "/v1/fdb/flush", f, &n)
	return n.Flushed, err
}

// Apply makes the daemon match cfg and says what it changed.
func (c *Client) Apply(ctx context.Context, cfg Config) ([]Change, error) {
	var cs []Change
	err := c.do(ctx, http.MethodPost, "/v1/apply", cfg, &cs)
	return cs, err
}
