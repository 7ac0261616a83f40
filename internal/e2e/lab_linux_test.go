package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weft/internal/netnstest"
)

// examples is where the labs are that we ship.
const examples = "../../examples"

// labUser runs `weft lab` as one user.
type labUser struct {
	t    *testing.T
	bin  string
	home string // where the user's labs are
	cred *syscall.Credential
	host *netnstest.Host // the machine's network; nil for the tests' own
}

// ordinaryUser is an ordinary user's number, of whom nothing is expected to exist.
const ordinaryUser = 65534

// newLabUser gives the user that the test runs as, or an ordinary one.
func newLabUser(t *testing.T, ordinary bool) *labUser {
	t.Helper()
	probe := netnstest.NewHost(t, "probe") // skips where namespaces are not permitted
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"ip", "ping"} { // the labs' own files use them
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	_, cli := binaries(t)
	home, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	u := &labUser{t: t, bin: cli, home: home}
	if ordinary {
		u.become(ordinaryUser)
	}
	return u
}

// become has the user be an ordinary one, with the rights that most
// distributions give: an open /dev/net/tun.
func (u *labUser) become(uid int) {
	u.t.Helper()
	if err := os.Chown(u.home, uid, uid); err != nil {
		u.t.Skip("this process cannot become another user: ", err)
	}
	for _, dir := range []string{u.home, filepath.Dir(u.bin)} {
		for ; dir != "/"; dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err == nil && info.Mode()&0o005 == 0 && dir != u.home {
				if err := os.Chmod(dir, info.Mode()|0o055); err != nil {
					u.t.Fatal(err)
				}
			}
		}
	}
	openTUN(u.t)
	u.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: false}
}

// openTUN puts a device that all may open over /dev/net/tun, in the mount
// namespace of the tests.
func openTUN(t *testing.T) {
	t.Helper()
	const path = "/dev/net/tun"
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm() == 0o666 {
		return
	}
	dir := t.TempDir() // on a file system that knows no devices
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	mine := filepath.Join(dir, "tun")
	if err := unix.Mknod(mine, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Chmod(mine, 0o666), unix.Mount(mine, path, "", unix.MS_BIND, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
}

// command is `weft lab`, to be run as the user.
func (u *labUser) command(args ...string) *exec.Cmd {
	cmd := exec.Command(u.bin, append([]string{"lab"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+u.home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.cred}
	return cmd
}

// try runs `weft lab` and gives what it says.
func (u *labUser) try(args ...string) (stdout, stderr string, code int) {
	u.t.Helper()
	cmd := u.command(args...)
	if u.host == nil {
		return outcome(u.t, cmd)
	}
	u.host.Do(func() { stdout, stderr, code = outcome(u.t, cmd) })
	return stdout, stderr, code
}

// lab runs a command that must succeed.
func (u *labUser) lab(args ...string) string {
	u.t.Helper()
	out, errOut, code := u.try(args...)
	if code != 0 {
		u.t.Fatalf("weft lab %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// up starts a lab that ends with the test.
func (u *labUser) up(file, name string) {
	u.t.Helper()
	u.lab("up", file)
	u.t.Cleanup(func() {
		if _, errOut, code := u.try("down", name); code != 0 && !strings.Contains(errOut, "no lab") {
			u.t.Errorf("weft lab down %s: %s", name, errOut)
		}
	})
}

// skipWithout skips where there is not what an example needs: a line of its file
// that begins with "# needs: " and the path of a program.
func skipWithout(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if needs, ok := strings.CutPrefix(line, "# needs: "); ok {
			path, _, _ := strings.Cut(needs, " ")
			if _, err := os.Stat(path); err != nil {
				t.Skip("this example needs ", strings.TrimSpace(needs))
			}
		}
	}
}

// Every lab that we ship comes up, passes its own tests and goes down, for root
// and for an ordinary user.
func TestLabExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, ordinary := range []bool{false, true} {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			t.Run(fmt.Sprintf("%s/ordinary=%v", name, ordinary), func(t *testing.T) {
				u := newLabUser(t, ordinary)
				skipWithout(t, file)
				u.up(u.example(filepath.Base(file)), name)
				t.Log("\n" + u.lab("test", name))
				u.lab("down", name)
				if out := u.lab("ls"); strings.Contains(out, name) {
					t.Errorf("after down, ls shows:\n%s", out)
				}
			})
		}
	}
}

// A virtual machine answers a namespace on the other end of its cable.
func TestLabVM(t *testing.T) {
	g := newGuest(t)
	u := newLabUser(t, true)
	dir := filepath.Join(u.home, "example")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"vmlinuz": g.kernel, "initrd": g.initrd} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(examples, "vm/lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	u.up(u.write("example/lab.yaml", string(text)), "vm")
	t.Log("\n" + u.lab("test", "vm") + u.lab("inspect", "vm"))
}
