package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/internal/netns"
	"weft/internal/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// build makes the weft that is tested.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weft")
	if out, err := exec.Command("go", "build", "-o", path, "weft/cmd/weft").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestJoins: every system joins its clients and is gone afterwards.
func TestJoins(t *testing.T) {
	_ = netnstest.NewHost(t, "permitted").Close() // skips where namespaces are forbidden
	path := build(t)
	all := append([]*System{Weft("weft", path, TwoHosts), Weft("weft", path, OneHost)}, Others()...)
	for _, s := range all {
		t.Run(s.Name+", "+string(s.Scene), func(t *testing.T) {
			if m := s.Missing(); m != "" {
				t.Skip(m)
			}
			version, err := s.Version(t.Context())
			if err != nil || version == "" {
				t.Errorf("version %q, %v", version, err)
			}
			for _, clients := range []int{1, 2} {
				if s.MaxClients != 0 && clients > s.MaxClients {
					continue
				}
				joins(t, s, clients)
			}
		})
	}
}

func joins(t *testing.T, s *System, clients int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := time.Now()
	p, err := Build(ctx, s, Shape{Scene: s.Scene, MTU: netns.DefaultMTU, Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d clients a side in %v", clients, time.Since(start).Round(time.Millisecond))
	if (len(p.A.Pids()) > 0) != s.Userspace {
		t.Errorf("pids %v", p.A.Pids())
	}
	for _, from := range p.A.Clients {
		for _, to := range p.B.Clients {
			// Whole packets of the clients' MTU, less IPv4 and ICMP headers.
			if _, err := from.Host.PingSize(to.Address.Addr().String(), 2, p.ClientMTU()-28, 10*time.Second); err != nil {
				t.Error(err)
			}
		}
	}
	pids := append(p.A.Pids(), p.B.Pids()...)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	if left, err := os.ReadDir("/run/netns"); err != nil || len(left) != 0 {
		t.Errorf("namespaces left: %v, %v", left, err)
	}
}

// TestApart: what is started on a host or on a client of it stays on the host's CPU,
// and what starts it does not.
func TestApart(t *testing.T) {
	_ = netnstest.NewHost(t, "permitted").Close() // skips where namespaces are forbidden
	before, err := netns.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < 2 {
		t.Skipf("two hosts with a CPU each take two CPUs, here is %v", before)
	}
	p := buildKernel(t, Shape{Apart: true})
	for i, s := range p.Sides() {
		want := fmt.Sprint(before[i])
		for _, h := range []*netns.Host{s.Host, s.Clients[0].Host} {
			var out bytes.Buffer
			cmd := exec.Command("sed", "-n", "s/^Cpus_allowed_list:\t//p", "/proc/self/status")
			cmd.Stdout = &out
			err := h.Start(cmd)
			if err == nil {
				err = cmd.Wait()
			}
			if got := strings.TrimSpace(out.String()); err != nil || got != want {
				t.Errorf("on %s: CPUs %q, %v; want %q", h.Name, got, err, want)
			}
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		var may unix.CPUSet
		if err := unix.SchedGetaffinity(id, &may); errors.Is(err, unix.ESRCH) {
			continue
		}
		if may.Count() != len(before) {
			t.Errorf("thread %d of this process stays on %d CPUs", id, may.Count())
		}
	}
	for i, s := range p.Sides() {
		var thread []int
		kept := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			err := s.Host.KeepThread()
			if err == nil {
				thread, err = netns.CPUs()
			}
			kept <- err
		}()
		err := <-kept
		if err != nil || !slices.Equal(thread, before[i:i+1]) {
			t.Errorf("thread of %s: CPUs %v, %v; want %d", s.Host.Name, thread, err, before[i])
		}
	}
}

// buildKernel has the kernel join two hosts with a client each, of the shape
// otherwise.
func buildKernel(t *testing.T, shape Shape) *Picture {
	t.Helper()
	others := Others()
	kernel := others[slices.IndexFunc(others, func(s *System) bool { return s.Name == "kernel" })]
	shape.Scene, shape.MTU, shape.Clients = TwoHosts, netns.DefaultMTU, 1
	p, err := Build(t.Context(), kernel, shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestCongestion: what the clients' connections have is what was asked for, without
// their asking.
func TestCongestion(t *testing.T) {
	_ = netnstest.NewHost(t, "permitted").Close() // skips where namespaces are forbidden
	// Not the default here, so that a connection has it only when it was set.
	const want = "reno"
	if text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err != nil || strings.TrimSpace(string(text)) == want {
		t.Skipf("the default is %q (%v): nothing would show", text, err)
	}
	p := buildKernel(t, Shape{Congestion: want})
	client, server := &p.A.Clients[0], &p.B.Clients[0]
	l, err := server.Host.ListenTCP(net.JoinHostPort(server.Address.Addr().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := client.Host.DialTCP(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for end, c := range map[string]net.Conn{"client": dialed, "server": accepted} {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got string
		failed := raw.Control(func(fd uintptr) {
			got, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		})
		if got = strings.TrimRight(got, "\x00"); failed != nil || err != nil || got != want {
			t.Errorf("%s: congestion control %q, %v; want %q", end, got, errors.Join(failed, err), want)
		}
	}
}
