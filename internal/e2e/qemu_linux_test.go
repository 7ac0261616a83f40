package e2e

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/ctl"
	"weft/internal/netnstest"
)

// bootTime is how long a machine may take to start in software emulation: three
// seconds here, and much more beside other tests on a slow machine.
const bootTime = 3 * time.Minute

// guestModules are the drivers of the machine's network card, which Debian's
// kernels have as modules. They are loaded in as many rounds as it takes, for
// the package that is unpacked by hand has no list of what needs what.
var guestModules = []string{
	"virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci_modern_dev",
	"virtio/virtio_pci", "core/failover", "net/net_failover", "net/virtio_net",
}

// guestInit is the machine's first process: it has 10.77.0.9, asks 10.77.0.1 for
// an answer, and echoes what comes to TCP port 7.
const guestInit = `#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc
$b mount -t proc proc /proc
for round in 1 2 3 4 5; do
  for m in /lib/*; do $b insmod $m 2>/dev/null; done
done
$b ip link set lo up
$b ip addr add 10.77.0.9/24 dev eth0
$b ip link set eth0 up
echo "weft-guest: mtu $($b ip link show eth0 | $b sed -n 's/.*mtu \([0-9]*\).*/\1/p')"
until $b ping -c 1 -W 1 10.77.0.1 >/dev/null; do :; done
echo "weft-guest: answered"
while :; do $b nc -l -p 7 -e $b cat; done
`

// vmRoots are where the packages may be.
var vmRoots = []string{"../../bin/vm", "/"}

// guest is what a machine is started from.
type guest struct{ kernel, initrd string }

// newGuest makes it of Debian's packages linux-image-cloud-amd64 and
// busybox-static: in bin/vm, where .ci/run unpacks them, or as installed.
func newGuest(t *testing.T) guest {
	t.Helper()
	lack := func(what string) {
		if os.Getenv("WEFT_REQUIRE_QEMU") != "" {
			t.Fatal("WEFT_REQUIRE_QEMU is set, but there is " + what)
		}
		t.Skip("there is " + what)
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		lack("no qemu-system-x86_64 (apt-get install --no-install-recommends qemu-system-x86)")
	}
	busybox := staticBusybox()
	if busybox == nil {
		lack("no static busybox for amd64 in bin/vm or /bin (apt-get install busybox-static)")
	}
	files := map[string][]byte{"init": []byte(guestInit), "bin/busybox": busybox}
	for _, root := range vmRoots {
		kernels, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
		for _, kernel := range kernels {
			version := strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-")
			if addModules(files, filepath.Join(root, "lib/modules", version, "kernel")) {
				initrd := filepath.Join(t.TempDir(), "initrd")
				if err := os.WriteFile(initrd, archive(files), 0o600); err != nil {
					t.Fatal(err)
				}
				return guest{kernel, initrd}
			}
		}
	}
	lack("no kernel with its modules in bin/vm or /boot (see .ci/run)")
	return guest{}
}

// staticBusybox is a program that needs nothing beside it, nil without one.
func staticBusybox() []byte {
	for _, root := range vmRoots {
		data, err := os.ReadFile(filepath.Join(root, "bin/busybox"))
		if err != nil {
			continue
		}
		program, err := elf.NewFile(bytes.NewReader(data))
		if err == nil && program.Machine == elf.EM_X86_64 &&
			!slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			return data
		}
	}
	return nil
}

// addModules reports whether the kernel's modules are there.
func addModules(files map[string][]byte, dir string) bool {
	for _, m := range guestModules {
		at, _ := filepath.Glob(filepath.Join(dir, "*", m+".ko*"))
		if len(at) == 0 {
			return false
		}
		data, err := os.ReadFile(at[0])
		if err != nil {
			return false
		}
		files["lib/"+filepath.Base(at[0])] = data
	}
	return true
}

// archive is the files as a cpio archive of the form that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func archive(files map[string][]byte) []byte {
	var out bytes.Buffer
	pad := func() {
		for out.Len()%4 != 0 {
			out.WriteByte(0)
		}
	}
	entry := func(name string, mode, major, minor int, data []byte) {
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			0, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
		out.WriteString(name + "\x00")
		pad()
		out.Write(data)
		pad()
	}
	for _, dir := range []string{"bin", "lib", "dev"} {
		entry(dir, 0o40755, 0, 0, nil)
	}
	entry("dev/console", 0o20600, 5, 1, nil)
	for name, data := range files {
		entry(name, 0o100755, 0, 0, data)
	}
	entry("TRAILER!!!", 0, 0, 0, nil)
	return out.Bytes()
}

// vm is a running machine.
type vm struct {
	cmd  *exec.Cmd
	stop func()

	mu      sync.Mutex
	console bytes.Buffer
}

// Write collects the machine's console.
func (v *vm) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.console.Write(p)
}

func (v *vm) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.console.String()
}

// boot starts a machine in the namespace with its card on the netdev, and waits
// until it had an answer from 10.77.0.1.
func (g guest) boot(t *testing.T, h *netnstest.Host, netdev string) *vm {
	t.Helper()
	v := &vm{}
	v.cmd = exec.Command("qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-nodefaults", "-no-user-config",
		"-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", g.kernel, "-initrd", g.initrd, "-append", "console=ttyS0 quiet panic=-1",
		"-netdev", netdev+",id=n0", "-device", "virtio-net-pci,netdev=n0,mac=02:00:00:00:00:09,host_mtu=1400,romfile=")
	v.cmd.Stdout, v.cmd.Stderr = v, v
	if err := h.Start(v.cmd); err != nil {
		t.Fatal(err)
	}
	v.stop = sync.OnceFunc(func() {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
	})
	t.Cleanup(func() {
		v.stop()
		if t.Failed() {
			t.Logf("console:\n%s", v.text())
		}
	})
	netnstest.Poll(t, bootTime, func() bool { return strings.Contains(v.text(), "weft-guest: answered") }, "the machine has an answer")
	return v
}

// echo sends random bytes to the machine and wants them back.
func echo(t *testing.T, from *netnstest.Host, size int) {
	t.Helper()
	var c net.Conn
	netnstest.Poll(t, patience, func() bool { // a guest answers pings before it listens
		var err error
		c, err = from.DialTCP("10.77.0.9:7")
		return err == nil
	}, "the guest takes a connection")
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(bootTime)); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		sent <- err
	}()
	got := make([]byte, size)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("echo: %v", err)
	}
	if err := <-sent; err != nil || !bytes.Equal(got, want) {
		t.Errorf("echo differs, %v", err)
	}
}

// A real machine beside a namespace, over each kind of socket. It is killed and
// started again, and its port stays.
func TestQEMU(t *testing.T) {
	g := newGuest(t)
	host, r, web, dir := lone(t)
	for _, c := range []struct{ name, port, netdev string }{
		{"stream", "--type stream --listen unix:" + dir + "/vm", "stream,server=off,addr.type=unix,addr.path=" + dir + "/vm"},
		{"stream server", "--type stream --connect unix:" + dir + "/q", "stream,server=on,addr.type=unix,addr.path=" + dir + "/q"},
		{
			"dgram unix", "--type dgram --listen unix:" + dir + "/a --connect unix:" + dir + "/b",
			"dgram,local.type=unix,local.path=" + dir + "/b,remote.type=unix,remote.path=" + dir + "/a",
		},
		{
			"dgram udp", "--type dgram --listen udp:127.0.0.1:5000 --connect udp:127.0.0.1:5001",
			"dgram,local.type=inet,local.host=127.0.0.1,local.port=5001,remote.type=inet,remote.host=127.0.0.1,remote.port=5000",
		},
		{"vde", "--type vde --listen unix:" + dir + "/v.ctl", "vde,sock=" + dir + "/v.ctl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if help, err := exec.Command("qemu-system-x86_64", "-netdev", "help").Output(); c.name == "vde" && !strings.Contains(string(help), "vde") {
				t.Skip("this QEMU was built without VDE: ", err)
			}
			r.weft("port add blue vm %s", c.port)
			defer r.weft("port rm vm")
			m := g.boot(t, host, c.netdev)
			r.awaitPort("vm", ctl.StateUp)
			web.MustPing(t, "10.77.0.9", 3)
			echo(t, web, 1<<20)
			if at := r.where("02:00:00:00:00:09"); at != "vm" {
				t.Errorf("the machine is behind %q", at)
			}
			if !strings.Contains(m.text(), "weft-guest: mtu 1400") {
				t.Error("the card did not take the MTU")
			}
			if c.name != "stream" && c.name != "vde" {
				return
			}
			before := r.port("vm")
			m.stop()
			r.awaitPort("vm", ctl.StateWaiting)
			g.boot(t, host, c.netdev)
			r.awaitPort("vm", ctl.StateUp)
			web.MustPing(t, "10.77.0.9", 1)
			if p := r.port("vm"); p.RxFrames <= before.RxFrames {
				t.Errorf("the counters began anew: %+v, were %+v", p, before)
			}
		})
	}
}
