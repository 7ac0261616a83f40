package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"weft/ctl"
	"weft/lab/topology"
)

// Client talks to the daemon of a lab.
type Client struct {
	Dir  Dir
	http *http.Client
}

// Dial makes a client for the lab. It connects with the first call.
func Dial(d Dir) *Client {
	var dialer net.Dialer
	return &Client{Dir: d, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", d.File(ControlName))
		},
		DisableCompression: true,
	}}}
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Inspect gives the lab as it is.
func (c *Client) Inspect(ctx context.Context) (l Lab, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/lab", nil, &l)
	l.PID = c.Dir.pid()
	return l, err
}

// Topology gives what the lab was told to be.
func (c *Client) Topology(ctx context.Context) (*topology.Topology, error) {
	var t topology.Topology
	err := c.do(ctx, http.MethodGet, "/v1/topology", nil, &t)
	return &t, err
}

// Apply changes the lab to match, and gives what was done.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (changes []ctl.Change, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/apply", r, &changes)
	return changes, err
}

// AddLink adds a link.
func (c *Client) AddLink(ctx context.Context, l topology.Link) error {
	return c.do(ctx, http.MethodPost, "/v1/links", l, nil)
}

// RemoveLink removes the link that has the end.
func (c *Client) RemoveLink(ctx context.Context, e topology.End) error {
	return c.do(ctx, http.MethodDelete, "/v1/links/"+url.PathEscape(e.String()), nil, nil)
}

// SetLink changes a link.
func (c *Client) SetLink(ctx context.Context, change LinkChange) error {
	return c.do(ctx, http.MethodPut, "/v1/links/"+url.PathEscape(change.End.String()), change, nil)
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
	err = c.do(ctx, http.MethodPost, "/v1/ping", r, &p)
	return p, err
}

// Down asks the lab to end.
func (c *Client) Down(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/down", nil, nil)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("lab %s does not answer (see %s): %w", c.Dir.Name(), c.Dir.File(LogFile), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		var f Failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
			f.Error = "lab " + c.Dir.Name() + " answered " + resp.Status
		}
		return &ctl.Error{Status: resp.StatusCode, Message: strings.TrimSpace(f.Error)}
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the answer of lab %s: %w", c.Dir.Name(), err)
	}
	return nil
}

// Failure is the body of an answer that is no success.
type Failure struct {
	Error string `json:"error"`
}
