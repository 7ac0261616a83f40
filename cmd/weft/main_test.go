package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/ctl/ctltest"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts and docs/commands.md")

// The test binary is weft, with a daemon whose networking is pretended.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"weft": func() { os.Exit(execute(os.Args[1:], runFake)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// Not in the work directory, whose name is too long for a socket.
			dir, err := os.MkdirTemp("", "weft")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(dir) })
			e.Setenv("WEFT_SOCKET", filepath.Join(dir, "s"))
			e.Setenv("SOCKDIR", dir)
			return nil
		},
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     await,
			"terminate": terminate,
			"usage":     exits(2),
			"failure":   exits(1),
		},
	})
}

// await SOCKET waits for the daemon that a script has started.
func await(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.Getenv("WEFT_SOCKET")
	if len(args) == 1 {
		path = args[0]
	}
	c := ctl.Dial(path)
	defer c.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := c.Status(context.Background())
		if (err != nil) == neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("await %s: %v", path, err)
		}
	}
}

// terminate sends SIGTERM to the background command that was started last.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	cmds := ts.BackgroundCmds()
	if len(cmds) == 0 {
		ts.Fatalf("there is no background command")
	}
	ts.Check(cmds[len(cmds)-1].Process.Signal(syscall.SIGTERM))
}

// exits CODE COMMAND runs a command that must end with the code and one line on stderr.
func exits(code int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("want a command")
		}
		err := ts.Exec(args[0], args[1:]...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code {
			ts.Fatalf("%v: %v, want exit code %d", args, err, code)
		}
		if lines := strings.Count(ts.ReadFile("stderr"), "\n"); lines != 1 {
			ts.Fatalf("%v: %d lines on stderr", args, lines)
		}
	}
}

// runFake serves a fake daemon until ctx ends.
func runFake(ctx context.Context, o RunOptions) error {
	fake := ctltest.New()
	cfg := o.Config
	if cfg.Name == "" {
		cfg.Name = "fake"
	}
	if _, err := fake.Apply(ctx, cfg); err != nil {
		return err
	}
	if cfg.Name == "busy" {
		makeBusy(fake)
	}
	l, err := ctl.Listen(o.SocketPath)
	if err != nil {
		return err
	}
	s := ctl.NewServer(fake, zerolog.Nop())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(s.Shutdown(stop), <-served)
}

// makeBusy gives the fake what only traffic makes: network blue, port web and
// peer 10.99.0.2 exist.
func makeBusy(f *ctltest.Fake) {
	f.Learn(ctl.FDBEntry{Network: "blue", MAC: "02:00:5e:10:00:01", Port: "web", AgeSeconds: 12})
	f.Learn(ctl.FDBEntry{Network: "blue", VLAN: 10, MAC: "02:00:5e:10:00:02", Peer: "10.99.0.2", AgeSeconds: 75})
	f.SetTraffic("web", ctl.Traffic{
		RxFrames: 10, RxBytes: 1000, TxFrames: 20, TxBytes: 2000,
		Drops: map[string]uint64{"too_big": 3, "vlan_filtered": 1},
	})
	f.SetTraffic("10.99.0.2", ctl.Traffic{RxFrames: 5, RxBytes: 500, Drops: map[string]uint64{"queue_full": 2}})
	f.Break("broken", ctl.Failed("port %q: no permission for /dev/net/tun (run as root)", "broken"))
}
