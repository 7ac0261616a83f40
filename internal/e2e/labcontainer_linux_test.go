package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/internal/netnstest"
	"weft/lab"
)

// dockerEngine is a Docker engine of the test's own: it runs in the namespaces
// of the tests, makes no network, and ends with them.
type dockerEngine struct {
	t      *testing.T
	socket string
	http   http.Client
}

// image is what containers are started from: busybox under the names of its
// programs.
const image = "weft-busybox"

// newDocker starts an engine, and gives it an image.
func newDocker(t *testing.T) *dockerEngine {
	t.Helper()
	lack := func(what string) {
		t.Helper()
		if os.Getenv("WEFT_REQUIRE_DOCKER") != "" {
			t.Fatal("WEFT_REQUIRE_DOCKER is set, but ", what)
		}
		t.Skip("no containers: ", what)
	}
	netnstest.NewHost(t, "engine") // skips where namespaces are not permitted
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || strings.Fields(string(users))[2] == "1" {
		lack("a Docker engine needs root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		lack("there is no dockerd (apt-get install --no-install-recommends docker.io)")
	}
	busybox := staticBusybox()
	if busybox == nil {
		lack("there is no static busybox for amd64 in bin/vm or /bin (apt-get install busybox-static)")
	}
	dir, err := os.MkdirTemp("", "dk") // the engine's sockets are in it: a short path
	if err != nil {
		t.Fatal(err)
	}
	d := &dockerEngine{t: t, socket: filepath.Join(dir, "s")}
	d.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.socket)
	}}
	group := "weft-test-" + filepath.Base(dir)
	cmd := exec.Command("dockerd", "--host", "unix://"+d.socket, "--data-root", dir+"/data", "--exec-root", dir+"/run", "--pidfile", dir+"/pid",
		"--cgroup-parent=/"+group,
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its log says more
	}()
	t.Cleanup(func() {
		d.http.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("dockerd does not end")
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = os.RemoveAll(dir)
		for _, hierarchy := range []string{"", "*"} { // of control groups, version 2 and 1
			left, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", hierarchy, group))
			for _, path := range left {
				_ = os.Remove(path)
			}
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := d.http.Get("http://docker/_ping"); err == nil {
			_ = answer.Body.Close()
			break
		}
		select {
		case <-ended:
			lack("dockerd does not run here: " + lastLine(log.String()))
		default:
		}
		if time.Now().After(deadline) {
			lack("dockerd does not answer")
		}
	}
	d.load(busybox)
	// As who belongs to the engine's group sees it.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(d.socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+d.socket)
	return d
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// load makes the image.
func (d *dockerEngine) load(busybox []byte) {
	d.t.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	err := w.WriteHeader(&tar.Header{Name: "bin/busybox", Mode: 0o755, Size: int64(len(busybox))})
	if err == nil {
		_, err = w.Write(busybox)
	}
	for _, name := range []string{"sh", "ip", "ping", "cat", "sleep", "hostname", "stty", "tty"} {
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777})
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := d.http.Post("http://docker/images/create?fromSrc=-&repo="+image+"&tag=latest", "application/x-tar", &files)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		d.t.Fatal("make an image: ", answer.Status)
	}
}

// containers are those that there are, by name.
func (d *dockerEngine) containers() (names []string) {
	d.t.Helper()
	answer, err := d.http.Get("http://docker/containers/json?all=1")
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	var list []struct{ Names []string }
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range list {
		names = append(names, c.Names...)
	}
	return names
}

const containerText = `
topology:
  nodes:
    h1: {address: {eth1: [10.0.0.1/24, "fd00::1/64"]}}
    c1:
      kind: linux
      image: weft-busybox
      cmd: sh -c "echo 'at work' > /out/said; exec sleep 1d"
      address: {eth1: [10.0.0.2/24, "fd00::2/64"]}
      mac: {eth1: "02:00:00:00:00:02"}
      env: {A: b}
      binds: ["out:/out"]
      exec: ["hostname > /out/name"]
    c2: {kind: container, image: weft-busybox, cmd: sh, address: {eth1: 10.1.0.2/24, eth2: 10.0.0.3/24}}
    sw: {kind: switch}
  links:
    - endpoints: ["h1:eth1", sw]
    - endpoints: ["c1:eth1", sw]
    - endpoints: ["c2:eth2", sw]
    - endpoints: ["c2:eth1", "h1:eth2"]
      impair: {delay: 20ms}
tests:
  - ping: {from: h1, to: c1}
  - ping: {from: h1, to: "fd00::2"}
  - ping: {from: c1, to: 10.0.0.3}
  - ping: {from: c2, to: h1}
  - exec: {node: c1, run: "ping -c 1 h1 && echo $A in $WEFT_NODE of $WEFT_LAB", expect: "b in c1 of cc"}
  - exec: {node: c1, run: "ip link show eth1", expect: "02:00:00:00:00:02"}
  - exec: {node: c1, run: "exit 3", expect: fail}
  - link: {end: "c1:eth1", state: down}
  - ping: {from: h1, to: c1, loss: 100%}
  - exec: {node: h1, run: "ip addr add 10.1.0.1/24 dev eth2"}
  - ping: {from: c2, to: 10.1.0.1, rtt: ">40ms", within: 20s}
`

// Containers of a real engine are nodes as others are, of an ordinary user's lab,
// too.
func TestLabContainer(t *testing.T) {
	for _, ordinary := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordinary=%v", ordinary), func(t *testing.T) { labOfContainers(t, ordinary) })
	}
}

func labOfContainers(t *testing.T, ordinary bool) {
	d := newDocker(t)
	u := newLabUser(t, ordinary)
	if err := os.Mkdir(filepath.Join(u.home, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := u.file("cc", containerText)
	u.up(file, "cc")
	t.Log("\n" + u.lab("test", "cc"))
	for name, want := range map[string]string{"said": "at work\n", "name": "c1\n"} {
		if got, err := os.ReadFile(filepath.Join(u.home, "out", name)); string(got) != want {
			t.Errorf("the container wrote %q to %s, want %q (%v)", got, name, want, err)
		}
	}
	t.Run("exec", func(t *testing.T) { containerExec(t, u) })
	t.Run("terminal", func(t *testing.T) { containerTerminal(t, u) })

	u.fails("cannot change while it runs", "apply", u.file("cc", strings.Replace(containerText, "sleep 1d", "sleep 2d", 1)))
	without := strings.Replace(containerText, "    - endpoints: [\"c2:eth2\", sw]\n    - endpoints: [\"c2:eth1\", \"h1:eth2\"]\n      impair: {delay: 20ms}\n", "", 1)
	without, _, _ = strings.Cut(strings.Replace(without, "    c2:", "    # c2:", 1), "tests:")
	u.lab("apply", u.file("cc", without))
	if left := d.containers(); len(left) != 1 || left[0] != "/weft-cc-c1" {
		t.Errorf("with c2 gone from the file the engine has %v", left)
	}
	u.lab("apply", u.file("cc", containerText))
	u.lab("exec", "c2", "--", "ping", "-c", "1", "-W", "5", "10.0.0.1")

	// A killed daemon takes all but containers with it; what comes next takes them.
	for _, next := range []string{"up", "down"} {
		var list []lab.Summary
		if err := json.Unmarshal([]byte(u.lab("ls", "--json")), &list); err != nil || len(list) != 1 {
			t.Fatalf("%v %+v", err, list)
		}
		if err := syscall.Kill(list[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		netnstest.Poll(t, patience, func() bool { return strings.Contains(u.lab("ls"), "dead") }, "ls shows the lab as dead")
		if left := d.containers(); len(left) != 2 {
			t.Errorf("after the daemon was killed the engine has %v", left)
		}
		if next == "up" {
			u.lab("up", file)
			u.lab("exec", "c1", "--", "ping", "-c", "1", "-W", "5", "10.0.0.1")
		} else {
			u.lab("down", "cc")
		}
	}
	if left := d.containers(); len(left) != 0 {
		t.Errorf("after down the engine has %v", left)
	}
	u.gone("cc")
}

// containerExec: a command in a container has the caller's input, signals and
// exit code.
func containerExec(t *testing.T, u *labUser) {
	if _, _, code := u.try("exec", "c1", "--", "sh", "-c", "exit 7"); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if out, errOut, _ := u.try("exec", "c1", "--", "sh", "-c", "echo out; echo err >&2"); out != "out\n" || errOut != "err\n" {
		t.Errorf("output %q, error %q", out, errOut)
	}
	// The engine's own codes, which depend on its version.
	if out, _, code := u.try("exec", "c1", "--", "no-such-command"); code != 126 && code != 127 || !strings.Contains(out, "not found") {
		t.Errorf("exit code %d, %q", code, out)
	}
	const length = 1 << 20
	count := u.command("exec", "c1", "--", "cat")
	count.Stdin = bytes.NewReader(make([]byte, length))
	if out, err := count.Output(); err != nil || len(out) != length {
		t.Errorf("cat gives %d bytes of %d: %v", len(out), length, err)
	}
	takesSignals(t, u, "c1")
}

// containerTerminal: and a terminal.
func containerTerminal(t *testing.T, u *labUser) {
	said, code := converse(t, u, "c1")
	if code != 5 || !strings.Contains(said, "40 100") || !strings.Contains(said, "got keys") {
		t.Errorf("exit code %d, want 5; the terminal shows %q", code, said)
	}
}

// What a lab with containers needs is said before anything is made.
func TestLabContainerErrors(t *testing.T) {
	u := newLabUser(t, false)
	text := "topology: {nodes: {c: {kind: container, image: none-such}}}\n"
	t.Setenv("DOCKER_HOST", "unix:///nowhere/s")
	u.fails("node c: no Docker engine: none answers at /nowhere/s", "up", u.file("e", text))
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	u.fails("node c: DOCKER_HOST is tcp://127.0.0.1:1: containers of a lab are on this machine", "up", u.file("e", text))
	d := newDocker(t)
	u.fails("the engine has no image none-such (docker pull none-such)", "up", u.file("e", text))
	for _, u := range []*labUser{u, newLabUser(t, true)} {
		_, errOut, code := u.try("up", u.file("e", strings.Replace(text, "none-such", image+`, cmd: "sh -c 'echo why; exit 4'"`, 1)))
		if code == 0 { // the lab was up before the command had ended
			netnstest.Poll(t, patience, func() bool { return strings.Contains(u.lab("inspect", "e"), "its command ended with exit code 4") }, "inspect shows that it has ended")
			u.lab("down", "e")
		} else if code != 1 || !strings.Contains(errOut, "ended at once with exit code 4: why") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("weft lab up: exit %d, %q", code, errOut)
		}
		u.gone("e")
		if left := d.containers(); len(left) != 0 {
			t.Errorf("a lab that failed left %v", left)
		}
	}
}
