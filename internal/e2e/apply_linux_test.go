package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/ctl"
	"weft/internal/netnstest"
)

const fileA = `name: a
vtep: {address: 10.99.0.1}
peers: [10.99.0.2]
networks:
  blue:
    vni: 42
    ports:
      web: {netns: web1, as: eth0, address: 10.77.0.1/24}
`

const fileB = `name: b
vtep: {address: 10.99.0.2}
peers: [10.99.0.1]
networks:
  blue:
    vni: 42
    ports:
      web: {netns: web2, as: eth0, address: 10.77.0.2/24}
`

// file writes a configuration.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weft.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// `weft run -c` does what the commands do.
func TestConfigurationFile(t *testing.T) {
	hosts := underlay(t, "a", "b")
	web1 := netnstest.NewHost(t, "web1")
	netnstest.NewHost(t, "web2")
	a := start(t, hosts[0], "-c", file(t, fileA))
	start(t, hosts[1], "-c", file(t, fileB))
	web1.MustPing(t, "10.77.0.2", 2)
	if out := a.weft("apply -f %s", file(t, fileA)); strings.TrimSpace(out) != "nothing to change" {
		t.Errorf("applying the same file again said %q", out)
	}
}

// Apply says what it changes and touches nothing else: a connection over
// another port goes on.
func TestApply(t *testing.T) {
	hosts := underlay(t, "a", "b")
	web1, web2 := netnstest.NewHost(t, "web1"), netnstest.NewHost(t, "web2")
	extra := netnstest.NewHost(t, "extra")
	a := start(t, hosts[0], "-c", file(t, fileA))
	start(t, hosts[1], "-c", file(t, fileB))
	web1.MustPing(t, "10.77.0.2", 1)

	ended := make(chan error, 1)
	stop := make(chan struct{})
	go func() { ended <- pingUntil(web1, "10.77.0.2", stop) }()
	index := linkIndex(t, web1, "eth0")

	more := fileA + "      db: {netns: extra, as: eth0, address: 10.77.0.9/24}\n  green: {vni: 43}\n"
	if got, want := a.weft("apply -f %s", file(t, more)), "+ network green\n+ port db\n"; got != want {
		t.Errorf("apply said %q, want %q", got, want)
	}
	extra.MustPing(t, "10.77.0.2", 1)

	changed := strings.Replace(more, "10.77.0.9/24}", "10.77.0.10/24, mtu: 1400}", 1)
	if got := a.weft("apply -f %s", file(t, changed)); !strings.HasPrefix(got, "~ port db: mtu 1450 -> 1400") || strings.Count(got, "\n") != 1 {
		t.Errorf("apply said %q", got)
	}
	extra.MustPing(t, "10.77.0.2", 1)
	web2.MustPing(t, "10.77.0.10", 1)

	got := ask[[]ctl.Change](a, "apply -f %s", file(t, fileA))
	if len(got) != 2 || got[0].Action != "remove" || got[0].Name != "db" || got[1].Name != "green" {
		t.Errorf("apply --json said %+v", got)
	}
	if hasInterface(extra) {
		t.Error("the removed port's interface is still there")
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Errorf("traffic on the other port: %v", err)
	}
	if linkIndex(t, web1, "eth0") != index {
		t.Error("the other port's interface was made anew")
	}
	netnstest.TransferTCP(t, web1, web2, "10.77.0.2", 1<<20)
}

// A file that is wrong changes nothing.
func TestApplyRefusesAWrongFile(t *testing.T) {
	hosts := underlay(t, "a")
	netnstest.NewHost(t, "web1")
	a := start(t, hosts[0], "-c", file(t, fileA))
	before := configured(a)
	for text, word := range map[string]string{
		strings.Replace(fileA, "vni: 42", "vni: 0", 1):                          ":6: networks.blue.vni",
		strings.Replace(fileA, "vni: 42", "vni: 42\n    colour: blue", 1):       "colour",
		fileA + "  red: {vni: 42}\n":                                            "42 is in use by",
		strings.Replace(fileA, "[10.99.0.2]", "[10.99.0.999]", 1):               "10.99.0.999",
		strings.Replace(fileA, "10.99.0.1", "10.99.0.7", 1):                     "restart",
		strings.Replace(fileA, "as: eth0", "as: an-interface-name-too-long", 1): "15",
	} {
		a.fails(1, "apply -f "+file(t, text), word)
	}
	if after := configured(a); after != before {
		t.Errorf("changed from %s to %s", before, after)
	}
}

// A port whose namespace is not there is reported, and comes with it.
func TestPortWaitsForItsNamespace(t *testing.T) {
	hosts := underlay(t, "a", "b")
	a := start(t, hosts[0], "-c", file(t, fileA))
	if p := a.port("web"); p.State != ctl.StateDown || !strings.Contains(p.Reason, "web1") {
		t.Errorf("port ls says %q, %q", p.State, p.Reason)
	}
	netnstest.NewHost(t, "web2")
	start(t, hosts[1], "-c", file(t, fileB))
	web1 := netnstest.NewHost(t, "web1")
	netnstest.Poll(t, patience, func() bool { return a.port("web").State == ctl.StateUp }, "the port is up")
	web1.MustPing(t, "10.77.0.2", 1)
}

// pingUntil pings until stop is closed and reports the first loss.
func pingUntil(h *netnstest.Host, dst string, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if _, err := h.Ping(dst, 1, 5*time.Second); err != nil {
			return err
		}
	}
}

func linkIndex(t *testing.T, h *netnstest.Host, name string) int {
	t.Helper()
	link, err := h.Netlink().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}
