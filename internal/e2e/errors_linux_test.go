package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// Every mistake gives one line and leaves things as they were.
func TestMistakes(t *testing.T) {
	hosts := underlay(t, "a")
	r := start(t, hosts[0], "--vtep", "10.99.0.1")
	web1 := netnstest.NewHost(t, "web1")
	r.weft("network add blue --vni 42")
	r.weft("network add red --vni 43")
	r.weft("port add blue web --netns web1 --as eth0")
	r.weft("peer add 10.99.0.2 --network blue")
	before := configured(r)

	for _, c := range []struct {
		code  int
		line  string
		words []string
	}{
		{1, "network add blue --vni 44", []string{"blue", "exists"}},
		{1, "network add green --vni 42", []string{"green", "VNI 42", `in use by "blue"`}},
		{1, "network add green --vni 0", []string{"vni", "1 to 16777215"}},
		{1, "network add green --vni 16777216", []string{"16777216", "1 to 16777215"}},
		{1, "network add gr/een --vni 44", []string{"name"}},
		{1, "network add green --vni 44 --mtu 20", []string{"mtu", "576"}},
		{2, "network add green", []string{"vni"}},
		{2, "network add green --vni many", []string{"vni"}},
		{1, "network rm green", []string{`no network "green"`}},
		{1, "network show green", []string{`no network "green"`}},
		{1, "port add green p --netns web1", []string{`no network "green"`}},
		{1, "port add blue web --netns web1 --as eth1", []string{`"web"`, "exists"}},
		{1, "port add blue p --netns web1 --as eth0", []string{"eth0", "exists"}},
		{1, "port add blue p --netns nowhere", []string{"nowhere", "no such network namespace"}},
		{1, "port add blue p --netns 999999999", []string{"999999999"}},
		{1, "port add blue p --netns " + os.DevNull, []string{"not a network namespace"}},
		{1, "port add blue p --as an-interface-too-long", []string{"an-interface-too-long", "15"}},
		{1, "port add blue p --mac 01:00:5e:00:00:01", []string{"group address"}},
		{1, "port add blue p --mac nonsense", []string{"nonsense"}},
		{1, "port add blue p --address 10.77.0.300/24", []string{"10.77.0.300/24"}},
		{1, "port add blue p --access 4095", []string{"4095"}},
		{2, "port add blue", nil},
		{1, "port rm p", []string{`no port "p"`}},
		{1, "peer add 10.99.0.1", []string{"own VTEP"}},
		{1, "peer add 10.99.0.2", []string{"exists"}},
		{1, "peer add fd99::2", []string{"family"}},
		{1, "peer add elsewhere", []string{"elsewhere"}},
		{1, "peer add 10.99.0.3 --network green", []string{`no network "green"`}},
		{1, "peer rm 10.99.0.3", []string{"no peer"}},
		{1, "fdb add blue 01:00:5e:00:00:01 --port web", []string{"group address"}},
		{1, "fdb add red 02:00:00:00:00:01 --port web", []string{"web", "blue"}},
		{1, "fdb add red 02:00:00:00:00:01 --peer 10.99.0.2", []string{"10.99.0.2", "red"}},
		{1, "fdb add blue 02:00:00:00:00:01 --port p", []string{`no port "p"`}},
		{1, "fdb rm blue 02:00:00:00:00:01", []string{"no entry"}},
		{1, "fdb flush green", []string{`no network "green"`}},
		{1, "apply -f /nonexistent.yaml", []string{"/nonexistent.yaml"}},
		{2, "nets ls", nil},
	} {
		r.fails(c.code, c.line, c.words...)
	}
	if after := configured(r); after != before {
		t.Errorf("the mistakes changed\n%s\nto\n%s", before, after)
	}
	links, err := web1.Netlink().LinkList()
	if err != nil || len(links) != 2 {
		t.Errorf("web1 has %d interfaces, %v; want lo and eth0", len(links), err)
	}
}

// configured is what somebody asked for, without what was learned.
func configured(r *router) string {
	r.t.Helper()
	var b strings.Builder
	for _, n := range ask[[]ctl.Network](r, "network ls") {
		b.WriteString(n.Name + "\n")
	}
	for _, p := range ask[[]ctl.Port](r, "port ls") {
		b.WriteString(p.Name + " " + p.MAC + "\n")
	}
	for _, p := range ask[[]ctl.Peer](r, "peer ls") {
		b.WriteString(p.Address + " " + strings.Join(p.Networks, ",") + "\n")
	}
	for _, e := range ask[[]ctl.FDBEntry](r, "fdb ls") {
		if e.Kind == ctl.KindStatic {
			b.WriteString(e.Network + " " + e.MAC + "\n")
		}
	}
	return b.String()
}

// A VTEP address that the host does not have, or a port that is taken.
func TestVTEPCannotBeOpened(t *testing.T) {
	hosts := underlay(t, "a")
	for _, c := range []struct{ vtep, word string }{
		{"10.99.0.77", "no interface of this host has the address 10.99.0.77"},
		{"10.99.0.1:notaport", "notaport"},
	} {
		r := launch(t, hosts[0], filepath.Join(t.TempDir(), "s"), "--vtep", c.vtep)
		<-r.ended
		if code := r.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(r.logText(), c.word) {
			t.Errorf("--vtep %s: exit %d, %q", c.vtep, code, r.logText())
		}
		if _, err := os.Lstat(r.socket); !os.IsNotExist(err) {
			t.Errorf("--vtep %s: the socket is left: %v", c.vtep, err)
		}
	}
	start(t, hosts[0], "--vtep", "10.99.0.1")
	second := launch(t, hosts[0], filepath.Join(t.TempDir(), "s"), "--vtep", "10.99.0.1")
	<-second.ended
	if !strings.Contains(second.logText(), "4789 is in use") {
		t.Errorf("a second VTEP on the port: %q", second.logText())
	}
}

// No permission for TAPs: one line that says what to do, and no half-made port.
func TestNoPermission(t *testing.T) {
	h := netnstest.NewHost(t, "a")
	_, bin := binaries(t)
	if os.Getuid() != 0 || !canBecomeNobody() {
		t.Skip("wants to run weft as another user, which only root can")
	}
	dir, err := os.MkdirTemp("", "weft-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	copyFile(t, bin, filepath.Join(dir, "weft"))
	for _, path := range []string{dir, filepath.Join(dir, "weft")} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	r := &router{t: t, bin: bin, socket: filepath.Join(dir, "s"), ended: make(chan struct{})}
	r.cmd = exec.Command(filepath.Join(dir, "weft"), "run", "--socket", r.socket)
	r.cmd.Stderr = r
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := h.Start(r.cmd); err != nil {
		t.Fatal(err)
	}
	go func() { r.err = r.cmd.Wait(); close(r.ended) }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); <-r.ended })
	r.await()
	r.weft("network add blue --vni 1")
	r.fails(1, "port add blue p", "not permitted", "/dev/net/tun")
	if ports := ask[[]ctl.Port](r, "port ls"); len(ports) != 0 {
		t.Errorf("a half-made port: %v", ports)
	}
}

const nobody = 65534

// canBecomeNobody reports whether the user namespace has a second user.
func canBecomeNobody() bool {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd.Run() == nil
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
