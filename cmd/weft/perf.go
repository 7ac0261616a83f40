package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"weft/perf"
)

func (a *app) perfCmd() *cobra.Command {
	o := perf.Options{}
	cmd := &cobra.Command{
		Use:   "perf",
		Short: "Compare weft with the kernel and with other switches on this machine",
		Long: `Compare weft with the kernel's VXLAN and bridge, Open vSwitch's userspace
datapath, tinc, wireguard-go and VDE, as far as they are installed. Everything
happens in namespaces that go with the command; no daemon need run. The machine
should do nothing else: the comparison takes minutes, and all of the processor.

Every system is measured in turn, round after round, so that a machine that is
slower for a while is so for all. Figures are medians over the rounds.`,
		Example: "  weft perf --quick\n" +
			"  weft perf --systems weft,kernel --measures tcp --rounds 10\n" +
			"  weft perf --also before=/tmp/weft-before --measures tcp,pdr64\n" +
			"  weft perf --out results",
		Args: args(),
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			if o.Rounds < 0 {
				return &usageError{cmd, fmt.Errorf("--rounds %d: want at least 1", o.Rounds)}
			}
			if o.Weft == "" {
				var err error
				if o.Weft, err = os.Executable(); err != nil {
					return err
				}
			}
			o.JSON, o.Version = a.json, thisVersion().Version
			o.Stdout, o.Stderr = a.out, a.errOut
			err := perf.Run(cmd.Context(), o)
			if errors.Is(err, perf.ErrReported) {
				return errReported
			}
			return err
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.Systems, "systems", nil, "compare these `names` only")
	f.StringSliceVar(&o.Measures, "measures", nil, "measure these `names` only")
	f.IntVar(&o.Rounds, "rounds", 0, "measure everything `N` times (default 5, 3 with --quick)")
	f.BoolVar(&o.Quick, "quick", false, "measure less, in under three minutes")
	f.IntVar(&o.MTU, "underlay-mtu", 1500, "MTU of the wire between the hosts, in `bytes`")
	f.StringVar(&o.Congestion, "congestion", perf.DefaultCongestion, "congestion control of all TCP connections, by `name`")
	f.StringVar(&o.Weft, "weft", "", "`path` of the weft to compare (default: this one)")
	f.StringToStringVar(&o.Also, "also", nil, "compare other builds of weft too, `NAME=PATH`")
	f.StringVar(&o.Out, "out", "", "write the raw numbers into `directory`, as "+perf.ResultsFile)
	return cmd
}

// countedCmd is `weft run` that says on stderr, at each SIGUSR1, how many
// objects it has allocated so far: what "allocations a frame" is made of. It is
// for the comparison, which asks without arguments whether a build has it; the
// daemon itself has nothing for it.
func countedCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "perf-counted [flags of weft run]",
		Short:  "Run the daemon and count what it allocates",
		Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, flags []string) error {
			if len(flags) == 0 {
				return nil
			}
			asked := make(chan os.Signal, 1)
			signal.Notify(asked, syscall.SIGUSR1)
			go func() {
				for range asked {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					fmt.Fprintf(os.Stderr, "%s%d\n", perf.CountedPrefix, m.Mallocs)
				}
			}()
			root := cmd.Root()
			root.SetArgs(append([]string{"run"}, flags...))
			return root.ExecuteContext(cmd.Context())
		},
	}
}
