package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"weft/ctl"
	"weft/internal/netnstest"
	"weft/node"
)

// daemonEnv, when set, has this test binary be a daemon; its value is the
// [options] in JSON.
const daemonEnv = "WEFT_INTEROP_DAEMON"

// patience is how long anything may take on a slow machine. No test waits it
// out unless it fails.
const patience = 30 * time.Second

// options is what a daemon is started with.
type options struct {
	Config ctl.Config
	Socket string
}

func TestMain(m *testing.M) {
	if o := os.Getenv(daemonEnv); o != "" {
		if err := runDaemon(o); err != nil {
			fmt.Fprintln(os.Stderr, "weft:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	netnstest.Main(m)
}

// runDaemon is a daemon until its standard input ends, which happens too when
// the tests are killed.
func runDaemon(text string) error {
	var o options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return node.Run(ctx, node.Options{Config: o.Config, SocketPath: o.Socket, Version: "test", LogLevel: "debug", LogTo: os.Stderr})
}

// daemon is a running weft.
type daemon struct {
	*ctl.Client
	t testing.TB
}

// allOff is the configuration of a daemon without any acceleration.
var allOff = ctl.OffloadSpec{
	TAP: ctl.OffloadOff, GSO: ctl.OffloadOff, GRO: ctl.OffloadOff, TunnelGSO: ctl.OffloadOff,
	Spin: ctl.OffloadOff, Priority: ctl.OffloadOff, IOUring: ctl.OffloadOff,
}

// startWeft runs a daemon in the host's namespace until the test ends, and
// fails the test when it does not end well.
func startWeft(t testing.TB, h *netnstest.Host, c ctl.Config) *daemon {
	t.Helper()
	// Not t.TempDir, whose name may be too long for a socket's.
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if netnstest.Plain() && c.Offload == nil {
		c.Offload = &allOff
	}
	o := options{Config: c, Socket: filepath.Join(dir, "s")}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), daemonEnv+"="+string(text))
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = h.Start(cmd)
	}
	if err != nil {
		t.Fatalf("start weft on %s: %v", h.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	d := &daemon{Client: ctl.Dial(o.Socket), t: t}
	t.Cleanup(func() {
		d.Close()
		_ = stdin.Close()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("weft on %s ended with %v", h.Name, err)
			}
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("weft on %s did not stop", h.Name)
		}
		if t.Failed() {
			t.Logf("weft on %s said:\n%s", h.Name, log.String())
		}
	})
	netnstest.Poll(t, patience, func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("weft on %s did not start: %v", h.Name, err)
		default:
		}
		_, err := d.Status(t.Context())
		return err == nil
	}, "weft on "+h.Name+" answers")
	return d
}

// drops are those of a port, by reason.
func (d *daemon) drops(port string) map[string]uint64 {
	d.t.Helper()
	p, err := d.Port(d.t.Context(), port)
	if err != nil {
		d.t.Fatal(err)
	}
	return p.Drops
}

// lockedBuffer takes the log of a process while the test may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
