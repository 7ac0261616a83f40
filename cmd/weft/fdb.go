package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) fdbCmd() *cobra.Command {
	return groupCmd("fdb", "Show and change the forwarding table",
		a.fdbLsCmd(), a.fdbAddCmd(), a.fdbRmCmd(), a.fdbFlushCmd())
}

func (a *app) fdbLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls [NETWORK]",
		Short:   "List which address is behind which port or peer",
		Example: "  weft fdb ls blue\n  weft fdb ls --json",
		Args:    args("[NETWORK]"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			es, err := c.FDB(ctx, ctl.FDBFilter{Network: first(args)})
			if err != nil {
				return err
			}
			return show(a, es, printFDB)
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
}

func printFDB(w io.Writer, es []ctl.FDBEntry) error {
	t := newTable("NETWORK", ">VLAN", "MAC", "KIND", "PORT", "PEER", ">AGE")
	for _, e := range es {
		vlan, age := any(""), ""
		if e.VLAN != 0 {
			vlan = e.VLAN
		}
		if e.Kind == ctl.KindLearned {
			age = seconds(e.AgeSeconds)
		}
		t.row(e.Network, vlan, e.MAC, e.Kind, e.Port, e.Peer, age)
	}
	return t.print(w)
}

func (a *app) fdbAddCmd() *cobra.Command {
	var spec ctl.FDBSpec
	cmd := &cobra.Command{
		Use:   "add NETWORK MAC --port NAME|--peer ADDR",
		Short: "Add a static entry",
		Long: `Add a static entry: the address is behind this port or peer and nowhere else. It
does not age and does not move; frames from the address that come in elsewhere
are dropped and counted as static_violation.`,
		Example: `  weft fdb add blue 02:00:5e:10:00:01 --peer 10.99.0.2
  weft fdb add blue 02:00:5e:10:00:02 --port web --vlan 10`,
		Args: args("NETWORK", "MAC"),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("port") == cmd.Flags().Changed("peer") {
				return &usageError{cmd, fmt.Errorf("fdb add: want one of --port and --peer")}
			}
			return nil
		},
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			spec.Network, spec.MAC = args[0], args[1]
			return c.AddFDB(ctx, spec)
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
	f := cmd.Flags()
	f.StringVar(&spec.Port, "port", "", "`name` of the port that the address is behind")
	f.StringVar(&spec.Peer, "peer", "", "`address` of the peer that it is behind")
	f.Uint16Var(&spec.VLAN, "vlan", 0, "VLAN `id` (default: untagged)")
	a.completeFlag(cmd, "port", portNames)
	a.completeFlag(cmd, "peer", peerAddresses)
	return cmd
}

func (a *app) fdbRmCmd() *cobra.Command {
	var spec ctl.FDBSpec
	cmd := &cobra.Command{
		Use:     "rm NETWORK MAC",
		Short:   "Remove an entry, static or learned",
		Example: "  weft fdb rm blue 02:00:5e:10:00:01",
		Args:    args("NETWORK", "MAC"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			spec.Network, spec.MAC = args[0], args[1]
			return c.RemoveFDB(ctx, spec)
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
	cmd.Flags().Uint16Var(&spec.VLAN, "vlan", 0, "VLAN `id` (default: untagged)")
	return cmd
}

func (a *app) fdbFlushCmd() *cobra.Command {
	var filter ctl.FDBFilter
	cmd := &cobra.Command{
		Use:   "flush [NETWORK]",
		Short: "Forget learned addresses",
		Long: `Forget learned addresses: all, or those of one network, port or peer. What is
still in use is learned again with its next frame. Static entries stay.`,
		Example: "  weft fdb flush\n  weft fdb flush blue --peer 10.99.0.2",
		Args:    args("[NETWORK]"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			filter.Network = first(args)
			n, err := c.FlushFDB(ctx, filter)
			if err != nil {
				return err
			}
			return show(a, map[string]int{"flushed": n}, func(w io.Writer, m map[string]int) error {
				_, err := fmt.Fprintf(w, "%d flushed\n", m["flushed"])
				return err
			})
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
	f := cmd.Flags()
	f.StringVar(&filter.Port, "port", "", "those behind the port of this `name`")
	f.StringVar(&filter.Peer, "peer", "", "those behind the peer with this `address`")
	a.completeFlag(cmd, "port", portNames)
	a.completeFlag(cmd, "peer", peerAddresses)
	return cmd
}
