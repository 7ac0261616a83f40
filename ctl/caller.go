package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Caller makes calls in JSON over a Unix socket. [Client] is one, and so is the
// client of another API in the manner of this one.
type Caller struct {
	peer    string
	explain func(error) error
	http    *http.Client
}

// NewCaller makes a Caller for the socket. It connects with the first call.
// Messages name peer as who answers; explain says what a failed connection
// means.
func NewCaller(socket, peer string, explain func(error) error) *Caller {
	var d net.Dialer
	return &Caller{peer: peer, explain: explain, http: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return d.DialContext(ctx, "unix", socket)
			},
			DisableCompression: true,
		},
		// The APIs have no redirects: one would come of a name such as "..".
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends the idle connections.
func (c *Caller) Close() { c.http.CloseIdleConnections() }

// Call sends in, where it is not nil, and reads the answer into out, where that
// is not nil. An answer that is no success is an [*Error].
func (c *Caller) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	answer, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(answer).Decode(out); err != nil {
		return fmt.Errorf("the answer of %s: %w", c.peer, err)
	}
	return nil
}

// Copy writes an answer that is no JSON to w.
func (c *Caller) Copy(ctx context.Context, path string, w io.Writer) error {
	answer, err := c.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	_, err = io.Copy(w, answer)
	return err
}

// open makes a request and gives the body of the answer, which is a success.
func (c *Caller) open(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://weft"+path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var f Failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Error == "" {
		f.Error = c.peer + " answered " + resp.Status
	}
	return nil, &Error{Status: resp.StatusCode, Message: strings.TrimSpace(f.Error)}
}

// Failure is the body of an answer that is no success.
type Failure struct {
	Error string `json:"error"`
}
