package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"weft/ctl"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// app is what the commands share.
type app struct {
	socket string
	json   bool
	run    RunFunc
	out    io.Writer
	errOut io.Writer
	// started: the command line was understood; errors from here on are failures.
	started bool
}

// usageError is a command line that cannot be understood.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v (see \"%s --help\")", e.err, e.cmd.CommandPath())
}

func (e *usageError) Unwrap() error { return e.err }

// errReported is a failure whose lines are on stderr already.
var errReported = errors.New("reported")

// execute runs the command line and gives the exit code.
func execute(args []string, run RunFunc) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	a := &app{run: run, out: os.Stdout, errOut: os.Stderr}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exitCode(cmd, err)
}

// exitCode says on stderr what went wrong.
func (a *app) exitCode(cmd *cobra.Command, err error) int {
	var usage *usageError
	var exit *exitError
	isUsage := errors.As(err, &usage)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, errReported):
		return exitFailure
	case isUsage:
		a.complain(err)
		return exitUsage
	case a.started:
		a.complain(err)
		return exitFailure
	}
	a.complain(&usageError{cmd, err}) // cobra's own
	return exitUsage
}

// complain writes the one line.
func (a *app) complain(err error) {
	line := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
	_, _ = fmt.Fprintln(a.errOut, "weft:", line)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "A userspace Ethernet switch and VXLAN router",
		Long: `weft joins hosts, containers and virtual machines into Ethernet networks that
behave like one switch, wherever the machines are. "weft run" is the daemon;
the other commands talk to it over its control socket.`,
		Args: group,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// execute prints errors, in one line.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, flagProblem(err)} })
	f := root.PersistentFlags()
	f.StringVar(&a.socket, "socket", "", "`path` of the daemon's control socket (default "+
		ctl.SystemSocket+", for an ordinary user $XDG_RUNTIME_DIR/weft/weft.sock; environment WEFT_SOCKET)")
	f.BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(
		a.runCmd(), a.statusCmd(), a.networkCmd(), a.portCmd(), a.peerCmd(), a.fdbCmd(),
		a.statsCmd(), a.captureCmd(), a.applyCmd(), a.labCmd(), a.perfCmd(), countedCmd(), a.completionCmd(), a.versionCmd(),
	)
	return root
}

// flagProblem leaves out what strconv says of itself.
func flagProblem(err error) error {
	if num, ok := errors.AsType[*strconv.NumError](err); ok {
		return errors.New(strings.Replace(err.Error(), num.Error(), num.Err.Error(), 1))
	}
	return err
}

// do makes a command of f. What f gives is a failure, not a usage error.
func (a *app) do(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		return f(cmd, args)
	}
}

// call makes a command of f that talks to the daemon.
func (a *app) call(f func(ctx context.Context, c *ctl.Client, args []string) error) func(*cobra.Command, []string) error {
	return a.do(func(cmd *cobra.Command, args []string) error {
		path, err := a.socketPath()
		if err != nil {
			return err
		}
		c := ctl.Dial(path)
		defer c.Close()
		return f(cmd.Context(), c, args)
	})
}

// socketPath is what --socket, the environment and the user's rights make it.
func (a *app) socketPath() (string, error) {
	for _, path := range []string{a.socket, os.Getenv("WEFT_SOCKET"), ctl.DefaultSocket()} {
		if path != "" {
			return path, nil
		}
	}
	return "", errors.New("where is the control socket? (XDG_RUNTIME_DIR is not set: use --socket or WEFT_SOCKET)")
}

// group is the Args of a command that only holds others.
func group(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" {
			names = append(names, c.Name())
		}
	}
	switch {
	case len(args) == 0 && !cmd.HasParent():
		return nil // weft alone shows the help
	case len(args) == 0:
		return &usageError{cmd, fmt.Errorf("%s: missing command: %s", short(cmd), strings.Join(names, ", "))}
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %q?", near[0])
	}
	return &usageError{cmd, fmt.Errorf("unknown command %q%s", strings.TrimSpace(short(cmd)+" "+args[0]), hint)}
}

// groupCmd makes a command that only holds others.
func groupCmd(use, what string, cmds ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: what, Args: group, RunE: func(*cobra.Command, []string) error { return nil }}
	c.AddCommand(cmds...)
	return c
}

// args wants the words named: those in brackets may be left out.
func args(words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		for i, w := range words {
			if i >= len(given) && !strings.HasPrefix(w, "[") {
				return &usageError{cmd, fmt.Errorf("%s: missing %s", short(cmd), w)}
			}
		}
		if len(given) > len(words) {
			return &usageError{cmd, fmt.Errorf("%s: unexpected argument %q", short(cmd), given[len(words)])}
		}
		return nil
	}
}

// needs is a usage error when one of the flags was not given.
func needs(flags ...string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		i := slices.IndexFunc(flags, func(f string) bool { return !cmd.Flags().Changed(f) })
		if i < 0 {
			return nil
		}
		return &usageError{cmd, fmt.Errorf("%s: missing --%s", short(cmd), flags[i])}
	}
}

// short is the command's path without the program's name.
func short(cmd *cobra.Command) string {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return path
}
