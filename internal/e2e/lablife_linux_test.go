package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weft/internal/netnstest"
	"weft/lab"
	"weft/lab/space"
)

// file writes a lab's file.
func (u *labUser) file(name, text string) string {
	u.t.Helper()
	return u.write(name+".yaml", "name: "+name+"\n"+text)
}

// noOffloads is the part of a lab's file that turns everything off.
const noOffloads = "\noffload: {tap: off, " + othersOff + "}\n"

// write writes a lab's file below the user's home; in a run without
// accelerations the lab does without, too.
func (u *labUser) write(path, text string) string {
	u.t.Helper()
	if netnstest.Plain() {
		text += noOffloads
	}
	path = filepath.Join(u.home, path)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// example gives the file of a lab that we ship.
func (u *labUser) example(name string) string {
	u.t.Helper()
	path := filepath.Join(examples, name)
	if !netnstest.Plain() {
		return path
	}
	text, err := os.ReadFile(path)
	if err != nil {
		u.t.Fatal(err)
	}
	return u.write(filepath.Base(name), string(text))
}

// fails runs a command that must fail with one line that holds the words.
func (u *labUser) fails(words string, args ...string) {
	u.t.Helper()
	out, errOut, code := u.try(args...)
	if code != 1 || !strings.Contains(errOut, words) || strings.Count(errOut, "\n") != 1 {
		u.t.Errorf("weft lab %s: exit %d, %q, %q; want exit 1 and a line with %q", strings.Join(args, " "), code, out, errOut, words)
	}
}

// gone checks that a lab has left nothing in the user's directory.
func (u *labUser) gone(name string) {
	u.t.Helper()
	left, _ := filepath.Glob(filepath.Join(u.home, "weft/lab", name, "*"))
	left2, _ := filepath.Glob("/run/weft/lab/" + name)
	if len(left)+len(left2) > 0 {
		u.t.Errorf("lab %s has left %v %v", name, left, left2)
	}
}

const pairText = `
topology:
  nodes:
    h1: {address: {eth1: 10.0.0.1/24}}
    h2: {address: {eth1: 10.0.0.2/24}}
  links:
    - endpoints: ["h1:eth1", "h2:eth1"]
`

// processes are the arguments of all that run, a line each.
func processes(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { // else it ended
			all.Write(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
			all.WriteByte('\n')
		}
	}
	return all.String()
}

// A lab whose daemon is killed takes everything with it but files, which the
// next command clears.
func TestLabKilled(t *testing.T) {
	u := newLabUser(t, false)
	const marker = "86397" // seconds that nobody else sleeps
	file := u.file("killed", pairText)
	u.up(file, "killed")
	u.fails("is running already", "up", file)
	u.lab("exec", "h1", "--", "sh", "-c", "sleep "+marker+" >/dev/null 2>&1 &")
	if !strings.Contains(processes(t), "sleep "+marker) {
		t.Fatal("the process in the node does not run")
	}
	for _, next := range []string{"up", "down"} {
		var list []lab.Summary
		if err := json.Unmarshal([]byte(u.lab("ls", "--json")), &list); err != nil || len(list) != 1 || list[0].State != lab.StateUp {
			t.Fatalf("%v %+v", err, list)
		}
		if err := syscall.Kill(list[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		netnstest.Poll(t, patience, func() bool { return strings.Contains(u.lab("ls"), "dead") }, "ls shows the lab as dead")
		netnstest.Poll(t, patience, func() bool { return !strings.Contains(processes(t), "sleep "+marker) }, "its processes are gone")
		if next == "up" {
			u.lab("up", file)
			u.lab("exec", "h1", "--", "true")
		} else {
			u.lab("down", "killed")
		}
	}
	u.gone("killed")
}

// What cannot be made whole is not made.
func TestLabFailsWhole(t *testing.T) {
	u := newLabUser(t, false)
	u.fails("no such file", "up", "nowhere.yaml")
	u.fails("unknown kind", "up", u.file("kind", "topology: {nodes: {a: {kind: b}}}\n"))
	u.fails("image: stat", "up", u.file("image", "topology: {nodes: {a: {kind: vm, image: none.qcow2}}}\n"))
	u.fails(`exec "echo why; exit 7": exit code 7: why`, "up", u.file("half", pairText+"  defaults: {exec: [echo why; exit 7]}\n"))
	u.gone("half")
	u.fails("there is no lab", "down", "half")
	u.fails("no lab is running", "test")
}

// Ctrl-C ends a lab that is not up yet.
func TestLabInterrupted(t *testing.T) {
	u := newLabUser(t, false)
	const marker = "86398"
	file := u.file("slow", pairText+"  defaults: {exec: [sleep "+marker+"]}\n")
	cmd := u.command("up", file)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	netnstest.Poll(t, patience, func() bool { return strings.Contains(processes(t), "sleep "+marker) }, "the lab runs its commands")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(errOut.String(), "interrupted") {
		t.Errorf("%v: %s", err, errOut.String())
	}
	netnstest.Poll(t, patience, func() bool { return !strings.Contains(processes(t), "sleep "+marker) }, "its processes are gone")
	u.gone("slow")
}

// takesSignals checks that a signal to `weft lab exec` reaches the command in
// the node, and that the exit code that follows is its own.
func takesSignals(t *testing.T, u *labUser, node string) {
	t.Helper()
	wait := u.command("exec", node, "--", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
	out, err := wait.StdoutPipe()
	if err == nil {
		err = wait.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if err := wait.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _ = wait.Wait(); wait.ProcessState.ExitCode() != 9 {
		t.Errorf("after SIGTERM: %v, want exit code 9", wait.ProcessState)
	}
}

// A command in a node has the caller's input, signals and exit code.
func TestLabExec(t *testing.T) {
	u := newLabUser(t, false)
	u.up(u.file("exec", pairText), "exec")
	if out := u.lab("exec", "h1", "--", "hostname"); out != "h1\n" {
		t.Errorf("hostname is %q", out)
	}
	if _, _, code := u.try("exec", "h1", "--", "sh", "-c", "exit 7"); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if _, errOut, code := u.try("exec", "h1", "--", "no-such-command"); code != 127 || !strings.Contains(errOut, "not found") {
		t.Errorf("exit code %d, %q", code, errOut)
	}
	cat := u.command("exec", "h1", "--", "cat")
	cat.Stdin = strings.NewReader("through\n")
	if out, err := cat.Output(); err != nil || string(out) != "through\n" {
		t.Errorf("cat: %q, %v", out, err)
	}
	takesSignals(t, u, "h1")
	u.fails(`no node "h3"`, "exec", "h3", "--", "true")

	const marker = "86396" // seconds that nobody else sleeps
	u.lab("exec", "--detach", "h1", "--", "sleep", marker)
	if !strings.Contains(processes(t), "sleep "+marker) {
		t.Error("a command that was to be left running is gone")
	}
	u.lab("down", "exec")
	if strings.Contains(processes(t), "sleep "+marker) {
		t.Error("it has outlived its lab")
	}
}

// A lab changes while it runs; links that stay lose no frame.
func TestLabChanges(t *testing.T) {
	u := newLabUser(t, false)
	u.up(u.file("change", pairText), "change")
	u.lab("link", "add", "h1:eth2", "h2:eth2", "--mtu", "9000", "--delay", "1ms")
	if out := u.lab("inspect"); !strings.Contains(out, "delay 1ms") {
		t.Errorf("inspect shows no delay:\n%s", out)
	}
	u.lab("exec", "h2", "--", "test", "-e", "/sys/class/net/eth2")
	saved := filepath.Join(u.home, "saved.yaml")
	u.lab("save", saved)
	if out := u.lab("apply", saved); out != "nothing to change\n" {
		t.Errorf("applying what was saved changes: %s", out)
	}
	u.lab("link", "set", "h1:eth2", "down")
	u.lab("save", saved)
	if out := u.lab("apply", saved); out != "nothing to change\n" {
		t.Errorf("applying a link that is down changes: %s", out)
	}
	u.lab("link", "rm", "h1:eth2")
	if _, _, code := u.try("exec", "h2", "--", "test", "-e", "/sys/class/net/eth2"); code == 0 {
		t.Error("the interface of a link that is gone is still there")
	}
	u.fails("an end of the link", "link", "add", "h1:eth1", "h2:eth3")

	ping := u.command("exec", "h1", "--", "ping", "-q", "-i", "0.01", "-c", "200", "10.0.0.2")
	var said bytes.Buffer
	ping.Stdout = &said
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(pairText, "  links:", "    h3: {kind: router}\n    h4: {address: {eth1: 10.1.0.1/24}}\n  links:\n    - endpoints: [\"h4:eth1\", \"h3:p1\"]", 1)
	if out := u.lab("apply", u.file("change", more)); out != "+ node h3\n+ node h4\n+ network lan\n+ link h4:eth1 - h3:p1\n" {
		t.Errorf("apply says\n%s", out)
	}
	u.lab("apply", u.file("change", pairText))
	if err := ping.Wait(); err != nil || !strings.Contains(said.String(), " 0% packet loss") {
		t.Errorf("a link that stayed: %v\n%s", err, said.String())
	}
	if out := u.lab("inspect"); strings.Contains(out, "h4") {
		t.Errorf("h4 is still there:\n%s", out)
	}
}

// Of a node that stays, apply runs the lines of exec that are new, and no other
// a second time.
func TestLabApplyExec(t *testing.T) {
	u := newLabUser(t, false)
	with := func(lines string) string {
		return u.file("execs", strings.Replace(pairText, "h1: {", "h1: {exec: ["+lines+"], ", 1))
	}
	u.up(with(`"echo one >> /run/said"`), "execs")
	if out := u.lab("apply", with(`"echo two >> /run/said", "echo one >> /run/said"`)); out != "+ exec h1: echo two >> /run/said\n" {
		t.Errorf("apply says %q", out)
	}
	if out := u.lab("apply", with("")); out != "nothing to change\n" {
		t.Errorf("apply without the lines says %q", out)
	}
	if out := u.lab("exec", "h1", "--", "cat", "/run/said"); out != "one\ntwo\n" {
		t.Errorf("the lines said %q", out)
	}
	out, errOut, code := u.try("apply", with("exit 3"))
	if code != 1 || !strings.Contains(out+errOut, `exec "exit 3": exit code 3`) {
		t.Errorf("a line that fails: exit %d, %q, %q", code, out, errOut)
	}
}

// A command in a node gets a terminal of the size of the caller's, and its keys.
func TestLabTerminal(t *testing.T) {
	u := newLabUser(t, false)
	u.up(u.file("terminal", pairText), "terminal")
	said, code := converse(t, u, "h1")
	if code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
	for _, want := range []string{"40 100", "got keys"} {
		if !strings.Contains(said, want) {
			t.Errorf("the terminal shows no %q: %q", want, said)
		}
	}
}

// converse runs a command in a node on a terminal of 40 lines of 100, types
// keys into it, and gives what the terminal shows and the exit code.
func converse(t *testing.T, u *labUser, node string) (shown string, code int) {
	t.Helper()
	master, slave, err := space.OpenPTY()
	if err == nil {
		err = unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := u.command("exec", node, "--", "sh", "-c", "tty; read x; stty size; echo got $x; exit 5")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var said bytes.Buffer
	read := make(chan struct{})
	typed := false
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			said.Write(buf[:n])
			if !typed && strings.Contains(said.String(), "/dev/pts/") {
				typed = true
				_, _ = master.WriteString("keys\r")
			}
			if err != nil {
				return // EIO: the other end was closed
			}
		}
	}()
	_ = cmd.Wait()
	<-read
	return said.String(), cmd.ProcessState.ExitCode()
}
