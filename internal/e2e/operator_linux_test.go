package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/internal/netnstest"
	"weft/lab/space"
)

// startDefault starts a daemon as `weft run` does it for root, under a umask
// that would shut everybody out.
func startDefault(t *testing.T) *router {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("wants root: another user has no " + ctl.SystemSocket)
	}
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	r := launch(t, netnstest.NewHost(t, "a"), ctl.SystemSocket, "--socket", "") // the last one counts
	r.await()
	return r
}

// mode is a file's, 0 when there is none.
func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// Without --socket root's daemon makes its directory, for everybody to enter,
// and its socket, for whom the socket's mode names; SIGTERM ends it with 0 and
// without the socket.
func TestDefaultSocket(t *testing.T) {
	dir := filepath.Dir(ctl.SystemSocket)
	before, err := os.ReadDir(dir) // where root's labs are, too
	made := os.IsNotExist(err)
	r := startDefault(t)
	if got := mode(t, dir); made && got != 0o755 {
		t.Errorf("%s has mode %#o, want 0755 whatever the umask", dir, got)
	}
	if got := mode(t, ctl.SystemSocket); got != 0o660 {
		t.Errorf("%s has mode %#o, want 0660", ctl.SystemSocket, got)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if r.err != nil {
		t.Errorf("at SIGTERM it ends with %v", r.err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(before) {
		t.Errorf("%s holds %v, %v", dir, left, err)
	}
}

// A user whom the socket's mode shuts out gets one line that says what to do,
// and doing that lets the user in.
func TestPermissionDenied(t *testing.T) {
	if !canBecomeNobody() {
		t.Skip("wants a second user, which only root has")
	}
	startDefault(t)
	_, cli := binaries(t)
	dir, err := os.MkdirTemp("", "weft-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin := filepath.Join(dir, "weft")
	copyFile(t, cli, bin)
	for _, path := range []string{dir, bin} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	status := func() (stdout, stderr string, code int) {
		cmd := exec.Command(bin, "status", "--socket", ctl.SystemSocket)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return outcome(t, cmd)
	}

	out, said, code := status()
	want := "weft: permission denied on " + ctl.SystemSocket +
		" (use sudo, or have root give you its group: chgrp GROUP " + ctl.SystemSocket + ")\n"
	if out != "" || said != want || code != 1 {
		t.Errorf("exit %d, %q, %q; want 1, nothing, %q", code, out, said, want)
	}
	if err := os.Chown(ctl.SystemSocket, -1, nobody); err != nil {
		t.Fatal(err)
	}
	if out, said, code := status(); code != 0 || !strings.Contains(out, "version") {
		t.Errorf("with the group, exit %d, %q, %q", code, out, said)
	}
}

// On a terminal --watch draws over what it drew, without clearing in between,
// and leaves the last block and a fresh line when Ctrl-C ends it.
func TestWatchOnATerminal(t *testing.T) {
	r := start(t, netnstest.NewHost(t, "a"))
	master, slave, err := space.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := exec.Command(r.bin, "stats", "--watch", "--socket", r.socket)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	const home, erase, eraseLine, eraseRest = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"
	var shown strings.Builder
	typed := false
	for buf := make([]byte, 4096); ; {
		n, err := master.Read(buf)
		shown.Write(buf[:n])
		if err != nil {
			break // EIO: the other end was closed
		}
		if !typed && strings.Count(shown.String(), eraseRest) == 3 {
			typed = true
			if _, err := master.WriteString("\x03"); err != nil { // Ctrl-C
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C ends it with %v", err)
	}
	blocks := strings.Split(shown.String(), home)
	if len(blocks) != 4 || blocks[0] != erase || strings.Count(shown.String(), erase) != 1 {
		t.Fatalf("want three blocks and the screen erased before the first, got %q", blocks)
	}
	for i, b := range blocks[1:] {
		b, rest, _ := strings.Cut(b, eraseRest)
		if strings.Count(b, "\n") != 4 || strings.Count(b, eraseLine+"\r\n") != 4 {
			t.Errorf("block %d: want a heading and three lines that are erased to their ends, got %q", i, b)
		}
		if i == 2 && !strings.HasSuffix(rest, "\r\n") {
			t.Errorf("the shell's prompt comes behind %q", rest)
		}
	}
}
