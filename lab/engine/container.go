package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// Spec is a container to make.
type Spec struct {
	Name   string
	Image  string
	Host   string   // its host name
	Args   []string // nil for the image's own command
	Env    []string // NAME=VALUE
	Binds  []string // HOST:CONTAINER[:OPTIONS]
	Hosts  []string // NAME:ADDRESS, for its /etc/hosts
	Labels map[string]string
}

// State is how a container is.
type State struct {
	Running  bool
	PID      int // in the engine's process namespace, 0 when it does not run
	ExitCode int
}

// Ping asks whether there is an engine.
func (c *Client) Ping(ctx context.Context) error { return c.call(ctx, "GET", "/_ping", nil, nil) }

// HasImage reports whether the engine has the image. It is not fetched: that
// takes minutes, and shows nothing.
func (c *Client) HasImage(ctx context.Context, name string) (bool, error) {
	err := c.call(ctx, "GET", "/images/"+name+"/json", nil, nil)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Start makes a container and starts it. It has lo and no other interface, and
// a terminal nobody is at, so that a shell as its command stays. It may change
// its own network, which is what labs are for.
func (c *Client) Start(ctx context.Context, s Spec) (id string, err error) {
	type hostConfig struct {
		NetworkMode string
		Binds       []string `json:",omitempty"`
		ExtraHosts  []string `json:",omitempty"`
		CapAdd      []string
	}
	var made struct{ ID string }
	err = c.call(ctx, "POST", "/containers/create?name="+url.QueryEscape(s.Name), struct {
		Image      string
		Hostname   string
		Cmd        []string `json:",omitempty"`
		Env        []string
		Labels     map[string]string
		Tty        bool
		OpenStdin  bool
		HostConfig hostConfig
	}{
		s.Image, s.Host, s.Args, s.Env, s.Labels, true, true,
		hostConfig{"none", s.Binds, s.Hosts, []string{"NET_ADMIN", "NET_RAW"}},
	}, &made)
	if err != nil {
		return "", err
	}
	return made.ID, c.call(ctx, "POST", "/containers/"+made.ID+"/start", nil, nil)
}

// State asks how a container is, by its name or id.
func (c *Client) State(ctx context.Context, name string) (State, error) {
	var answer struct {
		State struct {
			Running  bool
			Pid      int
			ExitCode int
		}
	}
	err := c.call(ctx, "GET", "/containers/"+name+"/json", nil, &answer)
	return State{answer.State.Running, answer.State.Pid, answer.State.ExitCode}, err
}

// Log gives the last lines of what a container said.
func (c *Client) Log(ctx context.Context, name string, lines int) (string, error) {
	var text raw
	err := c.call(ctx, "GET", "/containers/"+name+"/logs?stdout=1&stderr=1&tail="+strconv.Itoa(lines), nil, &text)
	return strings.Join(strings.Fields(string(text)), " "), err
}

// Remove ends a container and removes it with its volumes. One that is not
// there is removed already.
func (c *Client) Remove(ctx context.Context, name string) error {
	err := c.call(ctx, "DELETE", "/containers/"+name+"?force=1&v=1", nil, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// RemoveLabelled removes all containers, running or not, that have the label.
func (c *Client) RemoveLabelled(ctx context.Context, label, value string) error {
	filter, err := json.Marshal(map[string][]string{"label": {label + "=" + value}})
	if err != nil {
		return err
	}
	var list []struct{ ID string }
	if err := c.call(ctx, "GET", "/containers/json?all=1&filters="+url.QueryEscape(string(filter)), nil, &list); err != nil {
		return err
	}
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, row := range list {
		wg.Go(func() { errs[i] = c.Remove(ctx, row.ID) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
