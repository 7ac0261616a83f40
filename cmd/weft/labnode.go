package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"weft/lab"
	"weft/lab/topology"
)

func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }

// exitError is the exit code of a command that was run in a node.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func (l *labs) execCmd() *cobra.Command {
	var plain, detach bool
	cmd := &cobra.Command{
		Use:   "exec NODE -- COMMAND [ARGUMENT]...",
		Short: "Run a command in a node",
		Long: `Run a command in a node, as root in there. It gets this command's environment,
directory, standard input and output; where these are a terminal, it gets one of
its own. Signals and the exit code are passed on. 127 says that there is no such
command. With --detach it is left running, with neither input nor output; what a
command leaves in the background itself is hung up when its terminal goes.`,
		Example: "  weft lab exec h1 -- ping -c 3 h2\n  weft lab exec -d h2 -- iperf3 -s",
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) < 2 || len(given) == 2 && given[1] == "--" {
				return &usageError{cmd, fmt.Errorf("%s: want NODE -- COMMAND", short(cmd))}
			}
			return nil
		},
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			if detach {
				return l.leave(cmd.Context(), args[0], command)
			}
			return l.exec(cmd.Context(), args[0], command, !plain)
		}),
	}
	// What follows the node is the command's own.
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVarP(&plain, "no-tty", "T", false, "no terminal for the command, also where there is one")
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "leave the command running and return at once")
	return cmd
}

const defaultShell = "/bin/sh"

func (l *labs) shellCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "shell NODE",
		Short:   "Open a shell in a node",
		Long:    "Open a shell in a node: $SHELL, or /bin/sh, as always in a container. Of a virtual\nmachine it is the serial console, which Ctrl-] leaves.",
		Example: "  weft lab shell h1",
		Args:    args("NODE"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			if d, err := lab.Pick(l.name); err == nil && isTerminal(os.Stdin) {
				if _, err := os.Stat(d.Console(args[0])); err == nil {
					return lab.Console(cmd.Context(), d, args[0], os.Stdin, os.Stdout)
				}
			}
			shell := cmp.Or(os.Getenv("SHELL"), defaultShell)
			if d, err := lab.Pick(l.name); err == nil && d.IsContainer(args[0]) {
				shell = defaultShell // the user's may not be in there
			}
			return l.exec(cmd.Context(), args[0], []string{shell}, true)
		}),
	}
}

func (l *labs) exec(ctx context.Context, node string, command []string, tty bool) error {
	// Signals are the command's.
	return l.run(context.WithoutCancel(ctx), lab.ExecOptions{
		Node: node, Args: command, TTY: tty && isTerminal(os.Stdin) && isTerminal(os.Stdout),
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Signals: true,
	})
}

// leave starts a command that is left to itself.
func (l *labs) leave(ctx context.Context, node string, command []string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return l.run(ctx, lab.ExecOptions{Node: node, Args: command, In: null, Out: null, Err: null, Detach: true})
}

// run runs a command in a node. An exit code other than 0 is an error.
func (l *labs) run(ctx context.Context, o lab.ExecOptions) error {
	d, err := lab.Pick(l.name)
	if err != nil {
		return err
	}
	code, err := lab.Exec(ctx, d, o)
	if err != nil {
		if strings.HasPrefix(err.Error(), "command not found") {
			l.complain(err)
			return &exitError{127}
		}
		return err
	}
	if code != 0 {
		return &exitError{code}
	}
	return nil
}

func (l *labs) lsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the labs",
		Example: "  weft lab ls\n  weft lab ls --json",
		Args:    args(),
		RunE: l.do(func(*cobra.Command, []string) error {
			list, err := lab.List()
			if err != nil {
				return err
			}
			return show(l.app, list, func(w io.Writer, list []lab.Summary) error {
				t := newTable("NAME", "STATE", ">PID", "DIRECTORY")
				for _, s := range list {
					pid := ""
					if s.PID != 0 {
						pid = fmt.Sprint(s.PID)
					}
					t.row(s.Name, s.State, pid, s.Dir)
				}
				return t.print(w)
			})
		}),
	}
}

func (l *labs) inspectCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "inspect [NAME|FILE]",
		Short:   "Show the nodes and links of a running lab",
		Example: "  weft lab inspect\n  weft lab inspect --json",
		Args:    args("[NAME]"),
		RunE: l.with(func(ctx context.Context, c *lab.Client) error {
			v, err := c.Inspect(ctx)
			if err != nil {
				return err
			}
			return show(l.app, v, printLab)
		}),
	}
}

func printLab(w io.Writer, v lab.Lab) error {
	nodes := newTable("NODE", "KIND", "STATE", "INTERFACES")
	for _, n := range v.Nodes {
		var ifaces []string
		for _, i := range n.Interfaces {
			ifaces = append(ifaces, strings.TrimSpace(i.Name+" "+strings.Join(i.Address, " ")))
		}
		nodes.row(n.Name, n.Kind, stateOf(n.State, n.Reason), strings.Join(ifaces, ", "))
	}
	links := newTable("LINK", "", "STATE", ">MTU", ">FRAMES", ">DROPS", "IMPAIRMENT")
	for _, l := range v.Links {
		mtu := ""
		if l.MTU != 0 {
			mtu = fmt.Sprint(l.MTU)
		}
		var frames, drops uint64
		for _, p := range l.Ports {
			frames += p.RxFrames
			drops += dropSum(p.Drops)
		}
		links.row(l.A, l.B, stateOf(l.State, l.Reason), mtu, frames, drops, impairText(l.Link))
	}
	err := nodes.print(w)
	_, nerr := fmt.Fprintln(w)
	err = errors.Join(err, nerr, links.print(w))
	for _, n := range v.Nodes {
		if n.Socket != "" {
			_, perr := fmt.Fprintf(w, "\n%s: weft --socket %s", n.Name, n.Socket)
			err = errors.Join(err, perr)
		}
		if n.Start != "" {
			_, perr := fmt.Fprintf(w, "\n%s: %s", n.Name, n.Start)
			err = errors.Join(err, perr)
		}
		if x := n.Tunnel; x != nil {
			_, perr := fmt.Fprintf(w, "\n%s: VXLAN %d from %s to %s, MTU %d", n.Name, x.VNI, x.VTEP, x.Peer, x.MTU)
			err = errors.Join(err, perr)
		}
	}
	if hasHints(v) {
		_, perr := fmt.Fprintln(w)
		err = errors.Join(err, perr)
	}
	return err
}

func hasHints(v lab.Lab) bool {
	for _, n := range v.Nodes {
		if n.Socket != "" || n.Start != "" || n.Tunnel != nil {
			return true
		}
	}
	return false
}

func stateOf(state, reason string) string {
	if reason != "" {
		return state + ": " + reason
	}
	return state
}

// impairText shows both ways of a link.
func impairText(l topology.Link) string {
	switch ab, ba := l.ImpairAB.String(), l.ImpairBA.String(); {
	case ab == ba:
		return ab
	case ba == "":
		return "-> " + ab
	case ab == "":
		return "<- " + ba
	default:
		return "-> " + ab + "; <- " + ba
	}
}
