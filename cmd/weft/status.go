package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show the daemon's version, addresses, abilities and totals",
		Example: "  weft status\n  weft status --json",
		Args:    args(),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, _ []string) error {
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			return show(a, s, printStatus)
		}),
	}
}

func printStatus(w io.Writer, s ctl.Status) error {
	vtep := ""
	if s.VTEP != "" {
		vtep = net.JoinHostPort(s.VTEP, strconv.Itoa(int(s.VTEPPort)))
	}
	err := details(w, "name", s.Name, "version", s.Version, "pid", s.PID, "uptime", seconds(s.UptimeSeconds),
		"vtep", vtep, "mtu", s.MTU, "networks", s.Networks, "ports", s.Ports, "peers", s.Peers,
		"received", fmt.Sprintf("%d frames, %d bytes", s.Totals.RxFrames, s.Totals.RxBytes),
		"sent", fmt.Sprintf("%d frames, %d bytes", s.Totals.TxFrames, s.Totals.TxBytes),
		"dropped", fmt.Sprintf("%d frames", dropSum(s.Totals.Drops)))
	if err != nil || len(s.Features) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	t := newTable("ABILITY", "STATE", "REASON")
	for _, f := range s.Features {
		state := "off"
		if f.Enabled {
			state = "on"
		}
		t.row(f.Name, state, f.Reason)
	}
	return t.print(w)
}

// version is set by the linker: -X main.version=v1.2.3.
var version = ""

// versionInfo is what `weft version --json` prints.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// thisVersion falls back on what the go command recorded.
func thisVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  weft version",
		Args:    args(),
		RunE: a.do(func(*cobra.Command, []string) error {
			return show(a, thisVersion(), func(w io.Writer, v versionInfo) error {
				_, err := fmt.Fprintf(w, "weft %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
				return err
			})
		}),
	}
}
