package systems

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

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
