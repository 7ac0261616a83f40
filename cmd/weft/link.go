package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"weft/ctl"
	"weft/impair"
)

// linkFlags are the conditions that a command line asks for.
type linkFlags struct {
	set   []func(*impair.Spec) // in the order given
	to    bool
	from  bool
	clear bool
}

// linkFlag is one condition. It is checked at once and applied later, to what
// the link has by then.
type linkFlag struct {
	to  *linkFlags
	key string
}

func (l linkFlag) String() string { return "" }
func (l linkFlag) Type() string   { return "text" }

func (l linkFlag) Set(text string) error {
	var e *impair.KeyError
	if err := new(impair.Spec).Set(l.key, text); errors.As(err, &e) {
		return errors.New(e.Problem)
	}
	l.to.set = append(l.to.set, func(s *impair.Spec) { _ = s.Set(l.key, text) })
	return nil
}

// add declares the flags.
func (l *linkFlags) add(f *pflag.FlagSet) {
	names, help := impair.Keys()
	for i, name := range names {
		f.Var(linkFlag{l, name}, name, help[i])
	}
	f.BoolVar(&l.to, "to", false, "only towards what is attached to the port")
	f.BoolVar(&l.from, "from", false, "only from what is attached to the port")
	f.BoolVar(&l.clear, "clear", false, "make it a perfect link first")
}

// change is what makes of a link's conditions what the flags say.
func (l *linkFlags) change(now impair.Both) ctl.LinkSpec {
	var s ctl.LinkSpec
	if len(l.set) == 0 && !l.clear {
		return s
	}
	apply := func(spec impair.Spec) *impair.Spec {
		if l.clear {
			spec = impair.Spec{}
		}
		for _, set := range l.set {
			set(&spec)
		}
		return &spec
	}
	if both := l.to == l.from; both || l.to {
		s.To = apply(now.To)
	}
	if both := l.to == l.from; both || l.from {
		s.From = apply(now.From)
	}
	return s
}

func (a *app) portSetCmd() *cobra.Command {
	var flags linkFlags
	cmd := &cobra.Command{
		Use:   "set NAME [up|down]",
		Short: "Make a port's link bad, cut it, or mend it",
		Long: `Change the link between a port and what is attached to it while traffic flows.
What is not given stays as it is, and frames on their way stay on it.

The conditions hold for both directions, or with --to or --from for one: delay
with jitter, loss, a rate with a queue in front of it, duplication, reordering
and corruption. Rates are tc's: 10mbit are ten million bits a second, 10mbps
are bytes. With --seed the same frames fare the same each time.

A link that is down drops everything, and a TAP shows its host NO-CARRIER. The
drops are counted as link_loss, link_queue_full and link_down.`,
		Example: `  weft port set web --delay 20ms --jitter 2ms --distribution normal
  weft port set web --loss 1% --burst 5 --from
  weft port set web --rate 10mbit --limit 200 --to
  weft port set web down
  weft port set web up --clear`,
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args("NAME", "[up|down]")(cmd, given); err != nil {
				return err
			}
			if len(given) == 2 && given[1] != ctl.StateUp && given[1] != ctl.StateDown {
				return &usageError{cmd, fmt.Errorf("port set: unexpected %q (want up or down)", given[1])}
			}
			return nil
		},
		PreRunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case len(given) == 1 && len(flags.set) == 0 && !flags.clear:
				return &usageError{cmd, errors.New("port set: nothing to set (want up, down, --clear or a condition such as --delay)")}
			case (flags.to || flags.from) && len(flags.set) == 0 && !flags.clear:
				return &usageError{cmd, errors.New("port set: --to and --from say what a condition is for, and there is none")}
			}
			return nil
		},
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			p, err := c.Port(ctx, args[0])
			if err != nil {
				return err
			}
			spec := flags.change(p.Impair)
			spec.State = first(args[1:])
			return c.SetLink(ctx, args[0], spec)
		}),
		ValidArgsFunction: a.completeLink,
	}
	flags.add(cmd.Flags())
	return cmd
}

// completeLink offers a port and then a state.
func (a *app) completeLink(cmd *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(given) == 1 {
		return []string{ctl.StateUp, ctl.StateDown}, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(portNames)(cmd, given, word)
}
