package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weft/ctl"
	"weft/impair"
	"weft/lab"
	"weft/lab/graph"
	"weft/lab/topology"
)

func (l *labs) linkCmd() *cobra.Command {
	return groupCmd("link", "Change the links of a running lab", l.linkSetCmd(), l.linkAddCmd(), l.linkRmCmd())
}

// conditions adds a flag for each condition of a link.
func conditions(cmd *cobra.Command) (given func() (impair.Spec, bool, error)) {
	names, help := impair.Keys()
	values := make([]string, len(names))
	for i, name := range names {
		cmd.Flags().StringVar(&values[i], name, "", help[i])
	}
	return func() (s impair.Spec, any bool, err error) {
		for i, name := range names {
			if !cmd.Flags().Changed(name) {
				continue
			}
			any = true
			if err := s.Set(name, values[i]); err != nil {
				return s, any, &usageError{cmd, fmt.Errorf("--%w", err)}
			}
		}
		return s, any, s.Validate()
	}
}

// endOf reads a link end.
func endOf(s string) (topology.End, error) {
	e, ok := topology.ParseEnd(s)
	if !ok || e.Port == "" {
		return e, fmt.Errorf("%q is not a link end (want NODE:INTERFACE, such as h1:eth1)", s)
	}
	return e, nil
}

func (l *labs) linkSetCmd() *cobra.Command {
	var clearAll, oneWay bool
	cmd := &cobra.Command{
		Use:   "set NODE:INTERFACE [up|down]",
		Short: "Take a link down or up, or change its conditions",
		Long: `Take a link down or up, or change what happens to frames on it. The conditions
given replace those that were there, both ways; with --one-way, those of frames
that leave the end named.`,
		Example: `  weft lab link set h1:eth1 down
  weft lab link set h1:eth1 --delay 20ms --loss 1%
  weft lab link set h1:eth1 --clear`,
		Args: args("NODE:INTERFACE", "[up|down]"),
	}
	given := conditions(cmd)
	cmd.Flags().BoolVar(&clearAll, "clear", false, "take all conditions away")
	cmd.Flags().BoolVar(&oneWay, "one-way", false, "change frames that leave NODE:INTERFACE only")
	cmd.RunE = l.do(func(cmd *cobra.Command, args []string) error {
		change := lab.LinkChange{Both: !oneWay}
		var err error
		if change.End, err = endOf(args[0]); err != nil {
			return err
		}
		if len(args) > 1 {
			down := args[1] == ctl.StateDown
			if !down && args[1] != ctl.StateUp {
				return &usageError{cmd, fmt.Errorf("%q is not a state (want up or down)", args[1])}
			}
			change.Down = &down
		}
		spec, any, err := given()
		switch {
		case err != nil:
			return err
		case any && clearAll:
			return &usageError{cmd, errors.New("--clear and conditions exclude each other")}
		case any || clearAll:
			change.Impair = &spec
		case change.Down == nil:
			return &usageError{cmd, errors.New("lab link set: nothing to change")}
		}
		return l.onLab(cmd.Context(), func(ctx context.Context, c *lab.Client) error { return c.SetLink(ctx, change) })
	})
	return cmd
}

// onLab runs f with the lab that is meant by --lab or by being alone.
func (l *labs) onLab(ctx context.Context, f func(context.Context, *lab.Client) error) error {
	d, err := lab.Pick(l.name)
	if err != nil {
		return err
	}
	c := lab.Dial(d)
	defer c.Close()
	return f(ctx, c)
}

func (l *labs) linkAddCmd() *cobra.Command {
	var mtu int
	cmd := &cobra.Command{
		Use:     "add NODE:INTERFACE NODE:INTERFACE",
		Short:   "Add a link to a running lab",
		Example: "  weft lab link add h1:eth2 h2:eth2 --delay 5ms",
		Args:    args("NODE:INTERFACE", "NODE:INTERFACE"),
	}
	given := conditions(cmd)
	cmd.Flags().IntVar(&mtu, "mtu", 0, "largest packet in `bytes`")
	cmd.RunE = l.do(func(cmd *cobra.Command, args []string) error {
		link := topology.Link{MTU: mtu}
		var err error
		for i, to := range []*topology.End{&link.A, &link.B} {
			e, ok := topology.ParseEnd(args[i])
			if !ok {
				return fmt.Errorf("%q is not a link end (want NODE:INTERFACE, such as h1:eth1)", args[i])
			}
			*to = e
		}
		if link.ImpairAB, _, err = given(); err != nil {
			return err
		}
		link.ImpairBA = link.ImpairAB
		return l.onLab(cmd.Context(), func(ctx context.Context, c *lab.Client) error { return c.AddLink(ctx, link) })
	})
	return cmd
}

func (l *labs) linkRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm NODE:INTERFACE",
		Short:   "Remove a link from a running lab",
		Example: "  weft lab link rm h1:eth2",
		Args:    args("NODE:INTERFACE"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			e, err := endOf(args[0])
			if err != nil {
				return err
			}
			return l.onLab(cmd.Context(), func(ctx context.Context, c *lab.Client) error { return c.RemoveLink(ctx, e) })
		}),
	}
}

func (l *labs) captureCmd() *cobra.Command {
	var o captureOptions
	cmd := &cobra.Command{
		Use:   "capture NODE:INTERFACE [FILTER...]",
		Short: "Show or save what passes a link end",
		Long: `Show the frames that pass a link end in both directions, a line each, or save
them as pcapng with -w. They are seen as the node's own interface sees them. The
filter has tcpdump's syntax, as that of weft capture has.`,
		Example: `  weft lab capture h1:eth1
  weft lab capture h1:eth1 -w - icmp or arp | tcpdump -n -r -
  weft lab capture h1:eth1 -w - | wireshark -k -i -`,
		Args: func(cmd *cobra.Command, given []string) error {
			return args("NODE:INTERFACE")(cmd, given[:min(len(given), 1)])
		},
		PreRunE: o.check,
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			e, err := endOf(args[0])
			if err != nil {
				return err
			}
			o.spec.Filter = strings.Join(args[1:], " ")
			return l.onLab(cmd.Context(), func(ctx context.Context, c *lab.Client) error {
				port, err := c.Port(ctx, e)
				if err != nil {
					return err
				}
				daemon := ctl.Dial(port.Socket)
				defer daemon.Close()
				return l.capture(ctx, daemon, port.Name, o.spec, o.file)
			})
		}),
	}
	o.flags(cmd)
	return cmd
}

func (l *labs) applyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Make a running lab match a file",
		Long: `Make a running lab match a file: the one of the name in the file. Links that are
the same in both lose no frame. Of exec, the lines are run that a node did not
have; what others did that are gone from the file is not undone.`,
		Example: "  weft lab apply examples/two-hosts.yaml",
		Args:    args("FILE"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			t, source, err := l.load(args[0])
			if err != nil {
				return l.problems(err)
			}
			d, err := lab.Pick(t.Name)
			if err != nil {
				return err
			}
			c := lab.Dial(d)
			defer c.Close()
			changes, err := c.Apply(cmd.Context(), lab.ApplyRequest{Topology: t, Source: string(source)})
			if err != nil {
				return err
			}
			if err := show(l.app, changes, printChanges); err != nil {
				return err
			}
			return l.failedChanges(changes)
		}),
	}
}

func (l *labs) saveCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "save [FILE]",
		Short:   "Write a running lab to a file",
		Long:    "Write a running lab, with what was changed since it is up, to a file or to\nstandard output. Comments are not kept.",
		Example: "  weft lab save changed.yaml",
		Args:    args("[FILE]"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			return l.onLab(cmd.Context(), func(ctx context.Context, c *lab.Client) error {
				t, err := c.Topology(ctx)
				if err != nil {
					return err
				}
				return l.write(args, string(t.Marshal()))
			})
		}),
	}
}

// write writes to the file that is named, or to standard output.
func (l *labs) write(args []string, text string) error {
	if len(args) == 0 || args[0] == "-" {
		_, err := io.WriteString(l.out, text)
		return err
	}
	return os.WriteFile(args[0], []byte(text), 0o644)
}

func (l *labs) graphCmd() *cobra.Command {
	format := choice{"svg", []string{"svg", "dot", "mermaid"}}
	cmd := &cobra.Command{
		Use:     "graph [NAME|FILE]",
		Short:   "Draw a running lab, or what a file describes",
		Example: "  weft lab graph > lab.svg\n  weft lab graph --format mermaid examples/triangle.yaml",
		Args:    args("[NAME]"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			t, err := l.drawn(cmd.Context(), args)
			if err != nil {
				return l.problems(err)
			}
			draw := map[string]func(*topology.Topology) string{"svg": graph.SVG, "dot": graph.Dot, "mermaid": graph.Mermaid}
			_, err = io.WriteString(l.out, draw[format.value](t))
			return err
		}),
	}
	cmd.Flags().Var(&format, "format", "`form` of the drawing: svg, dot or mermaid (default svg)")
	return cmd
}

// drawn is what to draw: a file's topology, or a running lab's.
func (l *labs) drawn(ctx context.Context, args []string) (t *topology.Topology, err error) {
	if len(args) > 0 && isFile(args[0]) {
		return topology.Load(args[0], l.as)
	}
	d, err := l.pick(args)
	if err != nil {
		return nil, err
	}
	c := lab.Dial(d)
	defer c.Close()
	return c.Topology(ctx)
}
