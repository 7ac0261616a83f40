package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) networkCmd() *cobra.Command {
	return groupCmd("network", "Add, remove and list networks",
		a.networkAddCmd(), a.networkRmCmd(), a.networkLsCmd(), a.networkShowCmd())
}

func (a *app) networkAddCmd() *cobra.Command {
	var spec ctl.NetworkSpec
	var age time.Duration
	cmd := &cobra.Command{
		Use:   "add NAME --vni N",
		Short: "Add a network",
		Long: `Add a network: one Ethernet, known to the peers by its VXLAN network identifier.
Networks are isolated from each other, so addresses may overlap.`,
		Example: "  weft network add blue --vni 42\n  weft network add lab --vni 7 --age 60s --mtu 1400",
		Args:    args("NAME"),
		PreRunE: needs("vni"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			spec.Name, spec.AgeSeconds = args[0], int64(age/time.Second)
			return c.AddNetwork(ctx, spec)
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.Uint32Var(&spec.VNI, "vni", 0, "VXLAN network identifier, `N` from 1 to 16777215")
	f.Var(wholeSeconds{&age}, "age", "`time` after which a silent address is forgotten, such as 300s (the default)")
	f.IntVar(&spec.FDBLimit, "fdb-limit", 0, "keep at most `N` addresses")
	f.IntVar(&spec.PortFDBLimit, "port-fdb-limit", 0, "keep at most `N` addresses of one port or peer")
	f.IntVar(&spec.MTU, "mtu", 0, "largest packet in `bytes` (default: what the underlay leaves)")
	f.BoolVar(&spec.ForwardReserved, "forward-reserved", false, "pass STP, LACP, LLDP and what else bridges consume on")
	f.BoolVar(&spec.NoLearning, "no-learning", false, "flood every frame that no static entry is about, as a hub does")
	return cmd
}

// wholeSeconds is a flag for a duration that the API takes in seconds.
type wholeSeconds struct{ d *time.Duration }

func (w wholeSeconds) String() string { return "" }
func (w wholeSeconds) Type() string   { return "duration" }

func (w wholeSeconds) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return fmt.Errorf("want whole seconds such as 300s")
	}
	*w.d = d
	return nil
}

func (a *app) networkRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm NAME",
		Short:   "Remove a network with its ports",
		Example: "  weft network rm blue",
		Args:    args("NAME"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			return c.RemoveNetwork(ctx, args[0])
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
}

func (a *app) networkLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the networks",
		Example: "  weft network ls\n  weft network ls --json",
		Args:    args(),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, _ []string) error {
			ns, err := c.Networks(ctx)
			if err != nil {
				return err
			}
			return show(a, ns, printNetworks)
		}),
	}
}

func printNetworks(w io.Writer, ns []ctl.Network) error {
	t := newTable("NAME", ">VNI", ">MTU", ">PORTS", ">PEERS", ">FDB", ">LIMIT", ">AGE")
	for _, n := range ns {
		t.row(n.Name, n.VNI, n.MTU, n.Ports, n.Peers, n.FDBEntries, n.FDBLimit, seconds(n.AgeSeconds))
	}
	return t.print(w)
}

func (a *app) networkShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one network",
		Example: "  weft network show blue",
		Args:    args("NAME"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			n, err := c.Network(ctx, args[0])
			if err != nil {
				return err
			}
			return show(a, n, func(w io.Writer, n ctl.Network) error {
				learning := "on"
				if n.NoLearning {
					learning = "off"
				}
				return details(w, "name", n.Name, "vni", n.VNI, "mtu", n.MTU, "ports", n.Ports, "peers", n.Peers,
					"fdb entries", n.FDBEntries, "fdb limit", n.FDBLimit, "age", seconds(n.AgeSeconds), "learning", learning)
			})
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
}
