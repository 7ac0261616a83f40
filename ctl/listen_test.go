package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The rules of the socket are internal/unixsock's; here is what a user is told.
func TestListen(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("s", 107))
	for at, want := range map[string]string{
		path:                         "a daemon already serves " + path + " (stop it, or choose another path with --socket)",
		file:                         file + " exists and is not a socket (choose another path with --socket)",
		long:                         "; at most 107 fit (choose a shorter one with --socket)",
		filepath.Join(dir, "none/s"): "control socket: there is no directory " + dir + "/none",
	} {
		if _, err := Listen(at); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

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

func TestDefaultSocketDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		if got := DefaultSocket(); got != "/run/weft/weft.sock" {
			t.Error(got)
		}
		return
	}
	dir := socketDir(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if got := DefaultSocket(); got != dir+"/weft/weft.sock" {
		t.Fatal(got)
	}
	l, err := Listen(DefaultSocket())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
