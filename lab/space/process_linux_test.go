package space

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started runs a shell command outside of any space.
func started(t *testing.T, p *Processes, line string) *Process {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c, err := p.Start(Command{Args: []string{"sh", "-c", line}, Dir: "/", Env: os.Environ(), Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A process that ends is waited for at once, by whatever way it ends.
func TestProcesses(t *testing.T) {
	p := NewProcesses()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		p.Run(stop)
		close(stopped)
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	for line, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 128 + 15} {
		c := started(t, p, line)
		<-c.Done()
		if got := c.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d", line, got, want)
		}
		c.Signal(unix.SIGKILL) // of whoever has its number now
	}
	c := started(t, p, "sleep 1000; exit 1")
	if list := p.In(nil); len(list) != 1 || list[0] != c {
		t.Errorf("what runs is %v", list)
	}
	c.Signal(unix.SIGTERM)
	<-c.Done()
	if list := p.In(nil); len(list) != 0 {
		t.Errorf("still listed: %v", list)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere:" + dir}
	for name, want := range map[string]string{"tool": filepath.Join(dir, "tool"), "./tool": filepath.Join(dir, "tool"), "/x/y": "/x/y", "text": "", "no-such-tool": ""} {
		got, err := lookPath(Command{Args: []string{name}, Dir: dir, Env: env})
		if got != want || (want == "") != errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	// An ordinary user's PATH has no sbin, and ip is there.
	if got, err := lookPath(Command{Args: []string{"sh"}, Env: []string{"PATH=" + dir}}); err != nil || got == "" {
		t.Errorf("sh: %q, %v", got, err)
	}
}
