package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"weft/ctl"
	"weft/lab/topology"
)

// Client talks to the daemon of a lab.
type Client struct {
	Dir    Dir
	caller *ctl.Caller
}

// Dial makes a client for the lab. It connects with the first call.
func Dial(d Dir) *Client {
	return &Client{d, ctl.NewCaller(d.File(ControlName), "lab "+d.Name(), func(err error) error {
		return fmt.Errorf("lab %s does not answer (see %s): %w", d.Name(), d.File(LogFile), err)
	})}
}

// Close ends the idle connections.
func (c *Client) Close() { c.caller.Close() }

// Inspect gives the lab as it is.
func (c *Client) Inspect(ctx context.Context) (l Lab, err error) {
	err = c.caller.Call(ctx, http.MethodGet, "/v1/lab", nil, &l)
	l.PID = c.Dir.pid()
	return l, err
}

// Topology gives what the lab was told to be.
func (c *Client) Topology(ctx context.Context) (*topology.Topology, error) {
	var t topology.Topology
	err := c.caller.Call(ctx, http.MethodGet, "/v1/topology", nil, &t)
	return &t, err
}

// Apply changes the lab to match, and gives what was done.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (changes []ctl.Change, err error) {
	err = c.caller.Call(ctx, http.MethodPost, "/v1/apply", r, &changes)
	return changes, err
}

// AddLink adds a link.
func (c *Client) AddLink(ctx context.Context, l topology.Link) error {
	return c.caller.Call(ctx, http.MethodPost, "/v1/links", l, nil)
}

// RemoveLink removes the link that has the end.
func (c *Client) RemoveLink(ctx context.Context, e topology.End) error {
	return c.caller.Call(ctx, http.MethodDelete, "/v1/links/"+url.PathEscape(e.String()), nil, nil)
}

// SetLink changes a link.
func (c *Client) SetLink(ctx context.Context, change LinkChange) error {
	return c.caller.Call(ctx, http.MethodPut, "/v1/links/"+url.PathEscape(change.End.String()), change, nil)
}

// Port finds where a link end is a port: its own, or the one at the other end
// of its link, where the end is a switch's or a router's.
func (c *Client) Port(ctx context.Context, e topology.End) (Port, error) {
	l, err := c.Inspect(ctx)
	if err != nil {
		return Port{}, err
	}
	for _, link := range l.Links {
		if link.A != e && link.B != e || len(link.Ports) == 0 {
			continue
		}
		for _, p := range link.Ports {
			if p.End == e {
				return p, nil
			}
		}
		return link.Ports[0], nil
	}
	return Port{}, ctl.NotFound("no link ends at %s (see \"weft lab inspect\")", e)
}

// Ping sends echo requests from a node.
func (c *Client) Ping(ctx context.Context, r PingRequest) (p PingResult, err error) {
	err = c.caller.Call(ctx, http.MethodPost, "/v1/ping", r, &p)
	return p, err
}

// Down asks the lab to end.
func (c *Client) Down(ctx context.Context) error {
	return c.caller.Call(ctx, http.MethodPost, "/v1/down", nil, nil)
}
