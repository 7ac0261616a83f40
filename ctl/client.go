package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// Client calls a daemon. Errors that the daemon gives are [*Error] with the
// daemon's message; [ErrNoDaemon] is wrapped when there is none.
type Client struct {
	path string
	http *http.Client
}

var _ Backend = (*Client)(nil)

// Dial makes a client for the daemon on the socket. It connects with the first call.
func Dial(path string) *Client {
	var d net.Dialer
	return &Client{path: path, http: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return d.DialContext(ctx, "unix", path)
			},
			DisableCompression: true,
		},
		// The API has no redirects: one would come of a name such as "..".
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends in, where it is not nil, and reads the answer into out, where that is not nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://weft"+path, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the answer of the daemon on %s: %w", c.path, err)
	}
	return nil
}

// copyTo reads an answer that is no JSON.
func (c *Client) copyTo(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://weft"+path, nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

// explain says what a failed connection means.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return fmt.Errorf("%w on %s (start one with \"weft run\", or name its socket with --socket)", ErrNoDaemon, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("permission denied on %s (use sudo, or have root give you its group: chgrp GROUP %s)", c.path, c.path)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("call the daemon on %s: %w", c.path, err)
}

// refusal turns an answer that is no success into an error.
func refusal(resp *http.Response) error {
	var f failureBody
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Error == "" {
		f.Error = "the daemon answered " + resp.Status
	}
	return &Error{Status: resp.StatusCode, Message: oneLine(f.Error)}
}

// named builds the path of one item; false for what a path cannot hold.
func named(prefix, name string) (string, bool) {
	return prefix + url.PathEscape(name), name != "" && name != "." && name != ".."
}

// query builds a query of the pairs whose value is not empty.
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return strings.TrimSuffix(path+"?"+v.Encode(), "?")
}

func vlanText(vlan uint16) string {
	if vlan == 0 {
		return ""
	}
	return strconv.Itoa(int(vlan))
}
