// Package engine asks a Docker engine, or one that speaks its API as Podman
// does, for what labs need of it: containers without a network, found again by
// their labels, and commands in them. It is HTTP over a Unix socket
// (https://docs.docker.com/reference/api/engine/); the little of it that is used
// here is the same in all versions, so none is named.
//
// # Concurrency
//
// A [Client] may be used by several goroutines.
package engine

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
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// defaultSocket is where Docker's packages put it.
	defaultSocket = "/var/run/docker.sock"
	// maxAnswer is more than the description of any container, in bytes.
	maxAnswer = 4 << 20
)

// Client talks to an engine.
type Client struct {
	socket string
	http   http.Client
}

// Default gives a client of the engine that the docker command would ask, by
// DOCKER_HOST. Labs are of this machine, so that must be a Unix socket.
func Default() (*Client, error) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		return Dial(defaultSocket), nil
	}
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("DOCKER_HOST is %s: containers of a lab are on this machine (want unix:///path)", host)
	}
	return Dial(path), nil
}

// Dial gives a client of the engine behind the socket. It opens nothing yet.
func Dial(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		IdleConnTimeout: time.Minute,
	}
	return c
}

// Socket is the path of the engine's socket.
func (c *Client) Socket() string { return c.socket }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: may not open %s (its group is allowed: usermod -aG docker NAME)", ErrUnreachable, c.socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: none answers at %s (start one, or name its socket: DOCKER_HOST=unix:///PATH)", ErrUnreachable, c.socket)
	}
	return conn, err
}

// Errors to branch on.
var (
	// ErrUnreachable: there is no engine to ask.
	ErrUnreachable = errors.New("no Docker engine")
	// ErrNotFound: the engine knows no such thing.
	ErrNotFound = errors.New("not found")
)

// refusal is an answer that is none: the engine's own words.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

// Is has an answer of 404 be ErrNotFound.
func (e *refusal) Is(target error) bool {
	return target == ErrNotFound && e.status == http.StatusNotFound
}

// call makes one request and reads the answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	r, err := request(ctx, method, path, in)
	if err != nil {
		return err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		// Without the address of the request, which is made up.
		return errors.Unwrap(err)
	}
	defer answer.Body.Close()
	return read(answer, out)
}

func request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err == nil && in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, err
}

// raw is an answer that is not JSON.
type raw []byte

func read(answer *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return refused(answer.StatusCode, text)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *raw:
		*out = text
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the engine's answer: %w", err)
	}
	return nil
}

func refused(status int, text []byte) error {
	var e struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("the engine answers %d: %.200s", status, text)
	}
	return &refusal{status, strings.Join(strings.Fields(e.Message), " ")}
}
