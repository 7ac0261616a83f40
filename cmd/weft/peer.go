package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) peerCmd() *cobra.Command {
	return groupCmd("peer", "Add, remove and list peers",
		a.peerAddCmd(), a.peerRmCmd(), a.peerLsCmd())
}

func (a *app) peerAddCmd() *cobra.Command {
	var networks []string
	cmd := &cobra.Command{
		Use:   "add ADDR[:PORT]",
		Short: "Add a peer: another router that carries the networks",
		Long: `Add a peer: a remote VXLAN tunnel end point, be it another weft, a kernel VXLAN
device or a hardware switch. It carries every network, also those that are
added later, unless --network says which.`,
		Example: "  weft peer add 10.99.0.2\n  weft peer add [fd00::2]:4790 --network blue",
		Args:    args("ADDR[:PORT]"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			address, port, err := ctl.ParseHostPort(args[0])
			if err != nil {
				return err
			}
			return c.AddPeer(ctx, ctl.PeerSpec{Address: address, Port: port, Networks: networks})
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringArrayVar(&networks, "network", nil, "carry the network of this `name` only (repeatable)")
	a.completeFlag(cmd, "network", networkNames)
	return cmd
}

func (a *app) peerRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm ADDR",
		Short:   "Remove a peer",
		Example: "  weft peer rm 10.99.0.2",
		Args:    args("ADDR"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			return c.RemovePeer(ctx, args[0])
		}),
		ValidArgsFunction: a.complete(peerAddresses),
	}
}

func (a *app) peerLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the peers",
		Example: "  weft peer ls\n  weft peer ls --json",
		Args:    args(),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, _ []string) error {
			ps, err := c.Peers(ctx)
			if err != nil {
				return err
			}
			return show(a, ps, printPeers)
		}),
	}
}

func printPeers(w io.Writer, ps []ctl.Peer) error {
	t := newTable("ADDRESS", ">PORT", "NAME", "STATE", "NETWORKS", ">RX FRAMES", ">TX FRAMES", ">DROPS", "REASON")
	for _, p := range ps {
		t.row(p.Address, p.Port, p.Name, p.State, strings.Join(p.Networks, ","),
			p.RxFrames, p.TxFrames, dropSum(p.Drops), p.Reason)
	}
	return t.print(w)
}
