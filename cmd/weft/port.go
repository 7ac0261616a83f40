package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) portCmd() *cobra.Command {
	return groupCmd("port", "Add, change, remove and list ports",
		a.portAddCmd(), a.portSetCmd(), a.portRmCmd(), a.portLsCmd(), a.portShowCmd())
}

func (a *app) portAddCmd() *cobra.Command {
	var spec ctl.PortSpec
	cmd := &cobra.Command{
		Use:   "add NETWORK NAME",
		Short: "Add a port: an interface, or a virtual machine's socket, in a network",
		Long: `Add a port: a TAP interface that is attached to a network. It is made in the
daemon's own network namespace, or moved into the one that --netns names.

A port of another type is a socket, as QEMU's network backends of the same name
use it. A stream is one connection at a time: the port waits for a peer with
--listen, or seeks it with --connect. A dgram receives what is sent to --listen
and sends to --connect. A vde port is what VDE's programs plug into: --listen is
the directory that they are told.

A port carries every VLAN as it is. --access makes it a member of one, whose
frames have no tag on this port; --trunk lets only the VLANs listed pass, with
their tags, and --native names the one that has no tag.`,
		Example: `  weft port add blue web --netns web1 --as eth0 --address 10.77.0.1/24
  weft port add blue printer --access 10
  weft port add blue uplink --trunk 10,20-29 --native 10
  weft port add blue vm1 --type stream --listen unix:/run/vm1.sock
  weft port add blue vm2 --type dgram --listen udp:127.0.0.1:5000 --connect udp:127.0.0.1:5001
  weft port add blue vm3 --type vde --listen unix:/run/vm3.ctl`,
		Args: args("NETWORK", "NAME"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			spec.Network, spec.Name = args[0], args[1]
			return c.AddPort(ctx, spec)
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
	f := cmd.Flags()
	f.StringVar(&spec.Type, "type", "", "`kind` of port: tap, stream, dgram or vde (default tap)")
	f.StringVar(&spec.Listen, "listen", "", "where a stream, dgram or vde port waits for its peer: `end` unix:PATH, tcp:ADDR:PORT or udp:ADDR:PORT")
	f.StringVar(&spec.Connect, "connect", "", "where its peer is: `end` unix:PATH, tcp:HOST:PORT or udp:HOST:PORT")
	f.StringVar(&spec.NetNS, "netns", "", "network namespace: a `name`, a process id or a path")
	f.StringVar(&spec.As, "as", "", "`name` of the interface (default: the port's)")
	f.StringVar(&spec.MAC, "mac", "", "hardware `address` of the interface")
	f.StringArrayVar(&spec.Address, "address", nil, "address of the interface with its prefix length, `CIDR` (repeatable)")
	f.IntVar(&spec.MTU, "mtu", 0, "largest packet in `bytes` (default: the network's)")
	f.Uint16Var(&spec.Access, "access", 0, "make it an access port of the VLAN `id`")
	f.StringSliceVar(&spec.Trunk, "trunk", nil, "make it a trunk of the VLANs in `list`, such as 10,20-29")
	f.Uint16Var(&spec.Native, "native", 0, "VLAN `id` of a trunk's untagged frames")
	return cmd
}

func (a *app) portRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm NAME",
		Short:   "Remove a port and its interface",
		Example: "  weft port rm web",
		Args:    args("NAME"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			return c.RemovePort(ctx, args[0])
		}),
		ValidArgsFunction: a.complete(portNames),
	}
}

func (a *app) portLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls [NETWORK]",
		Short:   "List the ports, of one network or of all",
		Example: "  weft port ls\n  weft port ls blue --json",
		Args:    args("[NETWORK]"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			ps, err := c.Ports(ctx, first(args))
			if err != nil {
				return err
			}
			return show(a, ps, printPorts)
		}),
		ValidArgsFunction: a.complete(networkNames),
	}
}

// first is the first argument, "" without one.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func printPorts(w io.Writer, ps []ctl.Port) error {
	t := newTable("NAME", "NETWORK", "TYPE", "IFNAME", "NETNS", "MAC", ">MTU", "VLAN", "STATE",
		">RX FRAMES", ">TX FRAMES", ">DROPS", "REASON")
	for _, p := range ps {
		t.row(p.Name, p.Network, p.Type, p.IfName, p.NetNS, p.MAC, p.MTU, p.VLAN, p.State,
			p.RxFrames, p.TxFrames, dropSum(p.Drops), p.Reason)
	}
	return t.print(w)
}

func (a *app) portShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one port with its counters",
		Example: "  weft port show web",
		Args:    args("NAME"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			p, err := c.Port(ctx, args[0])
			if err != nil {
				return err
			}
			return show(a, p, printPort)
		}),
		ValidArgsFunction: a.complete(portNames),
	}
}

func printPort(w io.Writer, p ctl.Port) error {
	return details(w, "name", p.Name, "network", p.Network, "type", p.Type, "ifname", p.IfName, "netns", p.NetNS,
		"mac", p.MAC, "listen", p.Listen, "connect", p.Connect, "mtu", p.MTU, "vlan", p.VLAN, "state", p.State, "reason", p.Reason,
		"impair", p.Impair,
		"rx frames", p.RxFrames, "rx bytes", p.RxBytes, "tx frames", p.TxFrames, "tx bytes", p.TxBytes,
		"drops", dropList(p.Drops))
}
