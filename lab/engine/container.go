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
	User   string   // "" for the image's own
	Entry  []string // what runs Args, nil for the image's own
	Args   []string // nil for the image's own command
	Env    []string // NAME=VALUE
	Binds  []string // HOST:CONTAINER[:OPTIONS]
	Hosts  []string // NAME:ADDRESS, for its /etc/hosts
	Caps   []string // capabilities besides the engine's usual ones
	Labels map[string]string
	// Beside is a container whose network and names it shares; it has then no
	// Host and no Hosts of its own. "" is for none: it has lo and no other
	// interface.
	Beside string
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

// Start makes a container and starts it. It has a terminal nobody is at, so that
// a shell as its command stays.
func (c *Client) Start(ctx context.Context, s Spec) (id string, err error) {
	type hostConfig struct {
		NetworkMode string
		Binds       []string `json:",omitempty"`
		ExtraHosts  []string `json:",omitempty"`
		CapAdd      []string
	}
	network := "none"
	if s.Beside != "" {
		network = "container:" + s.Beside
	}
	var made struct{ ID string }
	err = c.call(ctx, "POST", "/containers/create?name="+url.QueryEscape(s.Name), struct {
		Image      string
		Hostname   string   `json:",omitempty"`
		User       string   `json:",omitempty"`
		Entrypoint []string `json:",omitempty"`
		Cmd        []string `json:",omitempty"`
		Env        []string
		Labels     map[string]string
		Tty        bool
		OpenStdin  bool
		HostConfig hostConfig
	}{
		s.Image, s.Host, s.User, s.Entry, s.Args, s.Env, s.Labels, true, true,
		hostConfig{network, s.Binds, s.Hosts, s.Caps},
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
