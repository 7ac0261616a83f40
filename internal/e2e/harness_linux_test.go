package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"weft/ctl"
	"weft/internal/netnstest"
)

// patience is how long a test waits for what must happen. It is long, because
// the machine may be slow, and no test waits that long for what is right.
const patience = 30 * time.Second

// raceFlags are what `go build` is given besides for the daemon: -race when the
// tests have it. The command line has not, because it starts hundreds of times.
var raceFlags []string

func TestMain(m *testing.M) { netnstest.Main(m) }

// The binaries are built once a run.
var (
	daemonBinary = sync.OnceValues(func() (string, error) { return build(raceFlags...) })
	cliBinary    = sync.OnceValues(func() (string, error) { return build() })
)

func build(flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "weft-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "weft")
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "weft/cmd/weft")...)
	if len(flags) == 0 {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as it is shipped
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// binaries gives the paths of both.
func binaries(t *testing.T) (daemon, cli string) {
	t.Helper()
	daemon, err := daemonBinary()
	if err == nil {
		cli, err = cliBinary()
	}
	if err != nil {
		t.Fatal(err)
	}
	return daemon, cli
}

// router is a running daemon and the command line that is pointed at it.
type router struct {
	t      *testing.T
	bin    string // of the command line
	socket string
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // of the process, once ended is closed

	mu  sync.Mutex
	log bytes.Buffer
}

// Write collects the daemon's log.
func (r *router) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *router) logText() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// launch starts a daemon in the namespace and does not wait for it.
func launch(t *testing.T, h *netnstest.Host, socket string, args ...string) *router {
	t.Helper()
	daemon, cli := binaries(t)
	if netnstest.Plain() {
		args = plainly(t, args)
	}
	r := &router{t: t, bin: cli, socket: socket, ended: make(chan struct{})}
	r.cmd = exec.Command(daemon, append([]string{"run", "--socket", socket, "--log-level", "debug"}, args...)...)
	r.cmd.Stderr = r
	if err := h.Start(r.cmd); err != nil {
		t.Fatalf("start weft: %v", err)
	}
	go func() {
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if strings.Contains(r.logText(), "DATA RACE") || strings.Contains(r.logText(), "panic:") {
			t.Errorf("weft in %s:\n%s", h.Name, r.logText())
		}
		if t.Failed() {
			t.Logf("log of weft in %s:\n%s", h.Name, r.logText())
		}
	})
	return r
}

// othersOff are the accelerations but the TAP's, off, as files say it.
const othersOff = "gso: off, gro: off, tunnel_gso: off, spin: off, priority: off, io_uring: off"

// plainly gives a daemon's arguments with every acceleration off; what its file
// has an opinion about is the TAP alone.
func plainly(t *testing.T, args []string) []string {
	t.Helper()
	at, text := slices.Index(args, "-c"), ""
	if at >= 0 {
		b, err := os.ReadFile(args[at+1])
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	opinion := strings.Replace(text, "offload: {", "offload: {"+othersOff+", ", 1)
	if opinion == text {
		opinion = text + "offload: {tap: off, " + othersOff + "}\n"
	}
	path := file(t, opinion)
	if at < 0 {
		return append([]string{"-c", path}, args...)
	}
	return slices.Replace(slices.Clone(args), at+1, at+2, path)
}

// start starts a daemon and waits until it answers.
func start(t *testing.T, h *netnstest.Host, args ...string) *router {
	t.Helper()
	r := launch(t, h, filepath.Join(t.TempDir(), "s"), args...)
	r.await()
	if netnstest.Plain() {
		for _, a := range ask[ctl.Status](r, "status").Features {
			if a.Enabled {
				t.Errorf("%s is on in a run without accelerations", a.Name)
			}
		}
	}
	return r
}

func (r *router) await() {
	r.t.Helper()
	netnstest.Poll(r.t, patience, func() bool {
		select {
		case <-r.ended:
			r.t.Fatalf("weft ended: %v\n%s", r.err, r.logText())
		default:
		}
		_, _, code := r.try("status")
		return code == 0
	}, "weft answers")
}

// terminate ends the daemon as an operator would and expects it to end well.
func (r *router) terminate() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("weft does not end")
	}
	if r.err != nil {
		r.t.Errorf("weft ended with %v", r.err)
	}
}

// try runs a command against the daemon.
func (r *router) try(args ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	cmd := exec.Command(r.bin, args...)
	cmd.Env = append(os.Environ(), "WEFT_SOCKET="+r.socket)
	return outcome(r.t, cmd)
}

// outcome runs a command to its end, whatever that is.
func outcome(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weft %s: %v", strings.Join(cmd.Args[1:], " "), err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// weft runs a command line that must succeed and gives its output.
func (r *router) weft(line string, args ...any) string {
	r.t.Helper()
	line = fmt.Sprintf(line, args...)
	out, errOut, code := r.try(strings.Fields(line)...)
	if code != 0 {
		r.t.Fatalf("weft %s: exit %d: %s", line, code, errOut)
	}
	return out
}

// fails runs a command line that must fail with the exit code and one line
// that holds every one of the words.
func (r *router) fails(code int, line string, words ...string) {
	r.t.Helper()
	out, errOut, got := r.try(strings.Fields(line)...)
	if got != code || out != "" {
		r.t.Errorf("weft %s: exit %d, want %d; stdout %q, stderr %q", line, got, code, out, errOut)
	}
	if strings.Count(errOut, "\n") != 1 || !strings.HasPrefix(errOut, "weft: ") {
		r.t.Errorf("weft %s: want one line that begins with \"weft: \", got %q", line, errOut)
	}
	for _, w := range words {
		if !strings.Contains(errOut, w) {
			r.t.Errorf("weft %s: %q does not say %q", line, errOut, w)
		}
	}
}

// ask decodes what a command prints with --json.
func ask[T any](r *router, line string, args ...any) (v T) {
	r.t.Helper()
	out := r.weft(line+" --json", args...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		r.t.Fatalf("weft %s: %v in %q", line, err, out)
	}
	return v
}

func (r *router) port(name string) ctl.Port {
	r.t.Helper()
	return ask[ctl.Port](r, "port show %s", name)
}

// entry gives the table's entry for a MAC, nil when there is none.
func (r *router) entry(network, mac string) *ctl.FDBEntry {
	r.t.Helper()
	for _, e := range ask[[]ctl.FDBEntry](r, "fdb ls %s", network) {
		if e.MAC == mac {
			return &e
		}
	}
	return nil
}

// where is the port or the peer of blue behind which a MAC is, "" when it is
// unknown.
func (r *router) where(mac string) string {
	r.t.Helper()
	if e := r.entry("blue", mac); e != nil {
		return string(e.Port + e.Peer)
	}
	return ""
}

// underlay makes hosts on one Ethernet: a bridge in a namespace of its own, and
// 10.99.0.1, 10.99.0.2... (fd99::1...) on each host's interface "net0".
func underlay(t *testing.T, names ...string) []*netnstest.Host {
	t.Helper()
	hub := netnstest.NewHost(t, "underlay")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := hub.Netlink().LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	hub.SetUp(t, "br0")
	hosts := make([]*netnstest.Host, len(names))
	for i, name := range names {
		hosts[i] = netnstest.NewHost(t, name)
		port := fmt.Sprintf("p%d", i+1)
		netnstest.Connect(t,
			netnstest.End{Host: hosts[i], IfName: "net0", Addresses: []string{fmt.Sprintf("10.99.0.%d/24", i+1), fmt.Sprintf("fd99::%d/64", i+1)}},
			netnstest.End{Host: hub, IfName: port}, 0)
		link, err := hub.Netlink().LinkByName(port)
		if err == nil {
			err = hub.Netlink().LinkSetMaster(link, bridge)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return hosts
}

// pair is the picture of the README: two routers with a client behind each.
type pair struct {
	hostA, hostB *netnstest.Host
	a, b         *router
	web1, web2   *netnstest.Host // 10.77.0.1 on a, 10.77.0.2 on b
}

func newPair(t *testing.T) *pair {
	t.Helper()
	hosts := underlay(t, "a", "b")
	p := &pair{
		hostA: hosts[0], hostB: hosts[1],
		web1: netnstest.NewHost(t, "web1"), web2: netnstest.NewHost(t, "web2"),
	}
	p.a = start(t, p.hostA, "--name", "a", "--vtep", "10.99.0.1")
	p.b = start(t, p.hostB, "--name", "b", "--vtep", "10.99.0.2")
	p.a.weft("network add blue --vni 42")
	p.a.weft("port add blue web --netns web1 --as eth0 --address 10.77.0.1/24")
	p.a.weft("peer add 10.99.0.2")
	p.b.weft("network add blue --vni 42")
	p.b.weft("port add blue web --netns web2 --as eth0 --address 10.77.0.2/24")
	p.b.weft("peer add 10.99.0.1")
	return p
}

// hasInterface reports whether a client's namespace has its port's interface.
func hasInterface(h *netnstest.Host) bool {
	_, err := h.Netlink().LinkByName("eth0")
	return err == nil
}
