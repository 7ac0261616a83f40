package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// Client calls a daemon. Errors that the daemon gives are [*Error] with the
// daemon's message; [ErrNoDaemon] is wrapped when there is none.
type Client struct {
	path   string
	caller *Caller
}

var _ Backend = (*Client)(nil)

// Dial makes a client for the daemon on the socket. It connects with the first call.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.caller = NewCaller(path, "the daemon on "+path, c.explain)
	return c
}

// Close ends the idle connections.
func (c *Client) Close() { c.caller.Close() }

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	return inOneLine(c.caller.Call(ctx, method, path, in, out))
}

func (c *Client) copyTo(ctx context.Context, path string, w io.Writer) error {
	return inOneLine(c.caller.Copy(ctx, path, w))
}

// inOneLine makes one line of what a daemon said, which another program's may
// not be.
func inOneLine(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Message = oneLine(e.Message)
	}
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
