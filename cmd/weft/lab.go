package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weft/lab"
	"weft/lab/daemon"
	"weft/lab/topology"
)

const labExample = `  name: pair
  topology:
    nodes:
      h1: {address: {eth1: 10.0.0.1/24}}
      h2: {address: {eth1: 10.0.0.2/24}}
    links:
      - endpoints: ["h1:eth1", "h2:eth1"]
  tests:
    - ping: {from: h1, to: h2}`

// labs is what the lab commands share.
type labs struct {
	*app
	name string
	as   topology.As
}

func (a *app) labCmd() *cobra.Command {
	l := &labs{app: a, as: topology.As{}}
	cmd := groupCmd("lab", "Run a network of hosts, switches and routers from one file",
		l.upCmd(), l.downCmd(), l.lsCmd(), l.inspectCmd(), l.execCmd(), l.shellCmd(),
		l.linkCmd(), l.captureCmd(), l.graphCmd(), l.testCmd(), l.applyCmd(), l.saveCmd(),
		l.hiddenCmd("daemon", "DIR", func(dir string) error { return daemon.Run(lab.Dir(dir), thisVersion().Version) }),
		l.hiddenCmd("join", "SOCKET", daemon.Join))
	cmd.PersistentFlags().StringVarP(&l.name, "lab", "l", "", "`name` of the lab (default: the only one that runs)")
	cmd.PersistentFlags().Var(asFlag{l.as}, "kind", "take a kind of another program in a file for one of ours: `NAME=KIND[,...]`")
	return cmd
}

// asFlag reads what kinds are taken for.
type asFlag struct{ topology.As }

func (f asFlag) Set(s string) error { return f.Add(s) }
func (asFlag) Type() string         { return "" }
func (f asFlag) String() string     { return "" }

// problems prints a file's problems, a line each.
func (a *app) problems(err error) error {
	var p *topology.Problems
	if !errors.As(err, &p) {
		return err
	}
	for _, line := range p.Lines {
		_, _ = fmt.Fprintln(a.errOut, "weft:", line)
	}
	return errReported
}

func (l *labs) upCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "up FILE",
		Short: "Start the lab that a file describes",
		Long: `Start the lab that a file describes, as root or as an ordinary user. Everything
in it is checked before anything is made. A file such as

` + labExample + `

The reference is docs/guide/lab.md. Everything that a lab makes is in namespaces
of its own, and gone with it.`,
		Example: "  weft lab up examples/two-hosts.yaml",
		Args:    args("FILE"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			t, source, err := l.load(args[0])
			if err != nil {
				return l.problems(err)
			}
			p := &steps{w: l.errOut, terminal: isTerminal(os.Stderr)}
			err = lab.Up(cmd.Context(), t, source, p.step)
			p.end()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(l.out, "lab %s is up: %s, %s, in %.1f s\n",
				t.Name, plural(len(t.Nodes), "node"), plural(len(t.Links), "link"), time.Since(start).Seconds())
			return err
		}),
	}
}

// load reads a file, says what of it has no meaning, and keeps its text.
func (l *labs) load(path string) (*topology.Topology, []byte, error) {
	t, err := topology.Load(path, l.as)
	if err != nil {
		return nil, nil, err
	}
	for _, line := range t.Notes {
		_, _ = fmt.Fprintln(l.errOut, "weft: note:", line)
	}
	source, err := os.ReadFile(path)
	return t, source, err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// steps shows progress: in one line on a terminal, nothing elsewhere.
type steps struct {
	w        io.Writer
	terminal bool
	shown    bool
}

const eraseLine = "\r\x1b[K"

func (s *steps) step(text string) {
	if s.terminal {
		s.shown = true
		_, _ = fmt.Fprint(s.w, eraseLine+text+" ...")
	}
}

func (s *steps) end() {
	if s.shown {
		_, _ = fmt.Fprint(s.w, eraseLine)
	}
}

// isFile tells a file's path from a lab's name, which has neither of these.
func isFile(arg string) bool { return strings.ContainsAny(arg, "./") }

// nameOf takes a lab's name, or the file that describes it.
func (l *labs) nameOf(arg string) (string, error) {
	if !isFile(arg) {
		return arg, nil
	}
	t, err := topology.Load(arg, l.as)
	if err != nil {
		return "", err
	}
	return t.Name, nil
}

// pick finds the lab that is meant by an argument, by --lab, or by being alone.
func (l *labs) pick(args []string) (lab.Dir, error) {
	name := l.name
	if len(args) > 0 {
		var err error
		if name, err = l.nameOf(args[0]); err != nil {
			return "", l.problems(err)
		}
	}
	return lab.Pick(name)
}

// with makes a command of f that talks to a lab.
func (l *labs) with(f func(ctx context.Context, c *lab.Client) error) func(*cobra.Command, []string) error {
	return l.do(func(cmd *cobra.Command, args []string) error {
		d, err := l.pick(args)
		if err != nil {
			return err
		}
		c := lab.Dial(d)
		defer c.Close()
		return f(cmd.Context(), c)
	})
}

func (l *labs) downCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "down [NAME|FILE]",
		Short:   "End a lab and everything in it",
		Long:    "End a lab and everything in it. Of one whose daemon was killed, remove what is left.",
		Example: "  weft lab down\n  weft lab down pair",
		Args:    args("[NAME]"),
		RunE: l.do(func(cmd *cobra.Command, args []string) error {
			name := l.name
			if len(args) > 0 {
				var err error
				if name, err = l.nameOf(args[0]); err != nil {
					return l.problems(err)
				}
			}
			if name == "" {
				d, err := lab.Pick("")
				if err != nil {
					return err
				}
				name = d.Name()
			}
			return lab.Down(cmd.Context(), name)
		}),
	}
}

func (l *labs) testCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME|FILE]",
		Short: "Run the tests of a running lab",
		Long: `Run the tests that a running lab's file has, and report them in the form of TAP
(the Test Anything Protocol). The exit code is 1 when one fails.`,
		Example: "  weft lab test",
		Args:    args("[NAME]"),
		RunE: l.with(func(ctx context.Context, c *lab.Client) error {
			failed, err := lab.Test(ctx, c, l.out)
			if err == nil && failed > 0 {
				err = fmt.Errorf("%s failed", plural(failed, "test"))
			}
			return err
		}),
	}
}

// hiddenCmd is a command that weft starts itself.
func (l *labs) hiddenCmd(name, what string, run func(string) error) *cobra.Command {
	return &cobra.Command{
		Use:    name + " " + what,
		Hidden: true,
		Args:   args(what),
		RunE:   l.do(func(_ *cobra.Command, args []string) error { return run(args[0]) }),
	}
}
