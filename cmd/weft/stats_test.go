package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/ctl"
)

func TestTrafficRates(t *testing.T) {
	last := ctl.Stats{RxFrames: 100, RxBytes: 1000, TxFrames: 50, Drops: map[string]uint64{"too_big": 1}}
	now := ctl.Stats{RxFrames: 300, RxBytes: 26000, TxFrames: 40, Drops: map[string]uint64{"too_big": 2, "malformed": 4}}
	var b strings.Builder
	if err := printTraffic(&b, now, last, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	// What fell is the counter of a daemon that started anew: it has no rate.
	want := `          FRAMES  BYTES  FRAMES/S  BITS/S
received     300  26000       100  100000
sent          40      0         -       0
dropped        6      -         2       -
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// --watch shows the counters again with rates, does not clear what is no
// terminal, and an interrupt is its good end.
func TestWatch(t *testing.T) {
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, stop := context.WithCancel(t.Context())
	daemon := make(chan error, 1)
	socket := filepath.Join(dir, "s")
	go func() { daemon <- runFake(ctx, RunOptions{SocketPath: socket}) }()
	defer func() {
		stop()
		if err := <-daemon; err != nil {
			t.Error(err)
		}
	}()
	c := ctl.Dial(socket)
	defer c.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := c.Stats(ctx); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = []string{"weft", "stats", "--watch", "--socket", socket}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rated := false
	for lines := bufio.NewScanner(out); !rated && lines.Scan(); {
		if strings.Contains(lines.Text(), "\x1b") {
			t.Errorf("escape sequence in %q", lines.Text())
		}
		rated = strings.Contains(lines.Text(), "BITS/S")
	}
	if !rated {
		t.Error("no rates")
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
}
