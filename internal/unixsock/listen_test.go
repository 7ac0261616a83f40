package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// socketDir is a directory whose name leaves room for a socket's.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// entries names what is in the directory.
func entries(t *testing.T, dir string) string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func mustListen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// deadSocket leaves what a killed daemon leaves.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListen(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "weft.sock")
	l := mustListen(t, path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeSocket | 0o660; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
	if got := l.Addr().String(); got != path {
		t.Errorf("Addr is %s", got)
	}
	if got := entries(t, dir); got != "weft.sock" {
		t.Errorf("while listening there is: %s", got)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := entries(t, dir); got != "" {
		t.Errorf("after Close there is: %s", got)
	}
}

func TestListenModeIgnoresUmask(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	old := syscall.Umask(0o177) // of the whole process: no test here runs in parallel
	l, err := Listen(path)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestListenRefusesLive(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	first := mustListen(t, path)
	_, err := Listen(path)
	want := path + " is in use by a running process"
	if !errors.Is(err, ErrLive) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// The first is undisturbed.
	accepted := make(chan error, 1)
	go func() {
		c, err := first.Accept() // the second's question
		if err == nil {
			_ = c.Close()
		}
		accepted <- err
	}()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

func TestListenTakesOverDead(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	deadSocket(t, path)
	mustListen(t, path)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestListenRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrNotSocket) || err.Error() != path+" exists and is not a socket" {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

func TestListenPathLength(t *testing.T) {
	dir := socketDir(t)
	longest := filepath.Join(dir, strings.Repeat("s", MaxPath-len(dir)-1))
	_ = mustListen(t, longest).Close()
	_, err := Listen(longest + "s")
	want := fmt.Sprintf("socket path %ss has 108 bytes; at most 107 fit", longest)
	if !errors.Is(err, ErrTooLong) || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestListenWithoutDirectory(t *testing.T) {
	dir := socketDir(t)
	_, err := Listen(filepath.Join(dir, "none", "s"))
	if !errors.Is(err, ErrNoDirectory) || err.Error() != "there is no directory "+dir+"/none" {
		t.Error(err)
	}
}

// A daemon that closes late leaves its successor's socket alone.
func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	old := mustListen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket: %v", err)
	}
}

// Of many that start at once exactly one wins, on a fresh path and on a dead
// daemon's; and nobody who connects is ever refused while it lives.
func TestListenRace(t *testing.T) {
	for round := range 30 {
		dir := socketDir(t)
		path := filepath.Join(dir, "s")
		if round%2 == 1 {
			deadSocket(t, path)
		}
		const daemons = 8
		var wg sync.WaitGroup
		start := make(chan struct{})
		listeners := make([]net.Listener, daemons)
		errs := make([]error, daemons)
		for i := range daemons {
			wg.Go(func() {
				<-start
				listeners[i], errs[i] = Listen(path)
			})
		}
		close(start)
		wg.Wait()
		winners := 0
		for i, l := range listeners {
			if l != nil {
				winners++
				continue
			}
			if !errors.Is(errs[i], ErrLive) {
				t.Errorf("round %d: %v", round, errs[i])
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d of %d have the socket", round, winners, daemons)
		}
		if c, err := net.Dial("unix", path); err != nil {
			t.Errorf("round %d: %v", round, err)
		} else {
			_ = c.Close()
		}
		for _, l := range listeners {
			if l != nil {
				_ = l.Close()
			}
		}
		if got := entries(t, dir); got != "" {
			t.Fatalf("round %d: left behind: %s", round, got)
		}
	}
}

// Who waited for a lock whose file is gone by then has locked nothing: the
// next one to come makes a new file.
func TestLockOnRemovedFile(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	unlock, err := lockPath(path)
	if err != nil {
		t.Fatal(err)
	}
	waiter, err := os.Open(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waiter.Close() }()
	if !isNamed(waiter, path+".lock") {
		t.Error("the file that is there is not what its name leads to")
	}
	unlock()
	if err := syscall.Flock(int(waiter.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatalf("the waiter's lock: %v", err)
	}
	if isNamed(waiter, path+".lock") {
		t.Error("a removed file counts as the lock")
	}
	unlock, err = lockPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if isNamed(waiter, path+".lock") {
		t.Error("a removed file counts as the lock that took its name")
	}
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	var wg sync.WaitGroup
	var inside atomic.Int32
	for range 8 {
		wg.Go(func() {
			for range 20 {
				unlock, err := lockPath(path)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				runtime.Gosched()
				inside.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
}

// A datagram socket follows the same rules.
func TestListenPacket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	for round := range 2 {
		p, err := ListenPacket(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o660 {
			t.Errorf("%v, %v", info, err)
		}
		if _, err := ListenPacket(path); !errors.Is(err, ErrLive) {
			t.Errorf("a second one: %v", err)
		}
		if _, err := Listen(path); !errors.Is(err, ErrLive) {
			t.Errorf("a stream socket in its place: %v", err)
		}
		if round == 0 {
			_ = p.UnixConn.Close() // as a killed process does; the next takes it over
			continue
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if got := entries(t, dir); got != "" {
		t.Errorf("after Close there is: %s", got)
	}
}

// A process that is killed leaves the socket and perhaps the lock's file.
func TestTakeOverKilledProcess(t *testing.T) {
	if path := os.Getenv("WEFT_TEST_LISTEN"); path != "" {
		if _, err := Listen(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if _, err := lockPath(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("listening")
		time.Sleep(time.Minute) // until it is killed
		return
	}
	path := filepath.Join(socketDir(t), "s")
	cmd := exec.Command(os.Args[0], "-test.run=^TestTakeOverKilledProcess$")
	cmd.Env = append(os.Environ(), "WEFT_TEST_LISTEN="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := out.Read(buf)
	if err != nil || string(buf[:n]) != "listening\n" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("killed, it ends with %v", err)
	}
	mustListen(t, path)
}
