package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weft/ctl"
	"weft/node/config"
)

// RunOptions is what the daemon is started with.
type RunOptions struct {
	Config     ctl.Config
	SocketPath string
	LogLevel   string // debug, info, warn or error
	LogJSON    bool
	Version    string
}

// RunFunc is the daemon: it returns when ctx ends and everything is put back.
type RunFunc func(ctx context.Context, o RunOptions) error

func (a *app) runCmd() *cobra.Command {
	var file, name, vtep string
	level, format := choice{"info", []string{"debug", "info", "warn", "error"}}, choice{"text", []string{"text", "json"}}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground until SIGINT or SIGTERM. What it has made, its
interfaces and its socket, is gone afterwards.

Flags stand above the configuration file. Without --vtep and without one in the
file the daemon is a switch for this machine alone.`,
		Example: "  weft run -c weft.yaml\n  weft run --name a --vtep 10.99.0.1",
		Args:    args(),
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			socket, err := a.socketPath()
			if err != nil {
				return err
			}
			cfg, err := configured(file, name, vtep)
			if err != nil {
				return err
			}
			return a.run(cmd.Context(), RunOptions{
				Config: cfg, SocketPath: socket, Version: thisVersion().Version,
				LogLevel: level.value, LogJSON: format.value == "json",
			})
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", "", "configuration `file`")
	f.StringVar(&name, "name", "", "`name` of this router (default: the host's)")
	f.StringVar(&vtep, "vtep", "", "`address` of this end of the tunnels, ADDR[:PORT]")
	f.Var(&level, "log-level", "least `level` to log: debug, info, warn or error (default info)")
	f.Var(&format, "log-format", "`form` of the log: text or json (default text)")
	return cmd
}

// configured is the file with the flags over it.
func configured(file, name, vtep string) (ctl.Config, error) {
	var c ctl.Config
	if file != "" {
		var err error
		if c, err = config.Load(file); err != nil {
			return c, err
		}
	}
	if name != "" {
		c.Name = name
	}
	if vtep != "" {
		address, port, err := ctl.ParseHostPort(vtep)
		if err != nil {
			return c, fmt.Errorf("--vtep: %w", err)
		}
		own := ctl.VTEPSpec{}
		if c.VTEP != nil {
			own = *c.VTEP
		}
		own.Address = address
		if port != 0 {
			own.Port = port
		}
		c.VTEP = &own
	}
	return c, c.Validate()
}

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return "" }
func (c *choice) Type() string   { return "word" }

func (c *choice) Set(s string) error {
	if slices.Contains(c.words, s) {
		c.value = s
		return nil
	}
	last := len(c.words) - 1
	return fmt.Errorf("want %s or %s", strings.Join(c.words[:last], ", "), c.words[last])
}
