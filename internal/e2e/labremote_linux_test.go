package e2e

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/internal/netnstest"
)

// wireMTU is less than Ethernet's, so that it shows whether a lab looks.
const wireMTU = 1400

// machines gives the users of two machines on one wire, with the addresses
// 192.0.2.1 and 192.0.2.2.
func machines(t *testing.T, ordinary bool) (a, b *labUser) {
	t.Helper()
	a, b = newLabUser(t, ordinary), newLabUser(t, ordinary)
	a.host, b.host = netnstest.NewHost(t, "machine1"), netnstest.NewHost(t, "machine2")
	netnstest.Connect(t,
		netnstest.End{Host: a.host, IfName: "wire", Addresses: []string{"192.0.2.1/24", "2001:db8::1/64"}},
		netnstest.End{Host: b.host, IfName: "wire", Addresses: []string{"192.0.2.2/24", "2001:db8::2/64"}}, wireMTU)
	return a, b
}

// stitch is one side of two labs that are joined: a host on a cable to the
// other machine, and one behind a switch that has another cable to it.
const stitch = `
topology:
  nodes:
    h1: {address: {eth1: 10.0.0.%[1]d/24}}
    h2: {address: {eth1: 10.1.0.%[1]d/24}}
    sw: {kind: switch}
    far: {kind: remote, address: %[2]s, vni: 4711}
    far2: {kind: remote, address: %[2]s, vni: 16777215}
  links:
    - endpoints: ["h1:eth1", far]
    - endpoints: ["h2:eth1", sw]
    - endpoints: ["sw:up", "far2:sw"]
tests:
  - ping: {from: h1, to: 10.0.0.%[3]d, within: 20s}
  - ping: {from: h2, to: 10.1.0.%[3]d, within: 20s}
  - ping: {from: h1, to: 10.0.0.%[3]d, size: %[4]d}
  - exec: {node: h1, run: "ping -c 1 -W 1 -s 2000 10.0.0.%[3]d"}
  - name: another VNI is another Ethernet
    exec: {node: h1, run: "ip addr add 10.1.0.9/24 dev eth1 && ! ping -I 10.1.0.9 -c 1 -W 1 10.1.0.%[3]d"}
  - name: what is too large for the tunnel is answered
    exec: {node: h2, run: "ping -M do -c 1 -W 1 -s 1472 10.1.0.%[3]d; true", expect: "mtu = %[5]d"}
  - link: {end: "h1:eth1", state: down}
  - ping: {from: h1, to: 10.0.0.%[3]d, loss: 100%%}
  - link: {end: "h1:eth1", state: up, impair: {delay: 30ms}}
  - ping: {from: h1, to: 10.0.0.%[3]d, rtt: ">60ms", within: 20s}
  - link: {end: "sw:up", impair: {delay: 30ms}}
  - ping: {from: h2, to: 10.1.0.%[3]d, rtt: ">60ms", within: 20s}
`

// Labs on two machines are joined, as root and as an ordinary user, over IPv4
// and IPv6, and link set works on what joins them.
func TestLabRemote(t *testing.T) {
	for _, c := range []struct {
		ordinary bool
		net      string
		mtu      int // that the tunnel leaves
	}{{false, "192.0.2.", wireMTU - 50}, {true, "192.0.2.", wireMTU - 50}, {true, "2001:db8::", wireMTU - 70}} {
		t.Run(fmt.Sprintf("%s/ordinary=%v", c.net, c.ordinary), func(t *testing.T) {
			a, b := machines(t, c.ordinary)
			a.up(a.file("west", fmt.Sprintf(stitch, 1, c.net+"2", 2, c.mtu-28, c.mtu)), "west")
			b.up(b.file("east", fmt.Sprintf(stitch, 2, c.net+"1", 1, c.mtu-28, c.mtu)), "east")
			t.Log("\n" + a.lab("test", "west"))
			out := a.lab("inspect", "west")
			if want := fmt.Sprintf("MTU %d", c.mtu); !strings.Contains(out, want) || !strings.Contains(out, "4711") {
				t.Errorf("inspect shows no %q:\n%s", want, out)
			}
			// What is saved can be applied, and the lab goes on.
			saved := filepath.Join(a.home, "saved.yaml")
			a.lab("--lab", "west", "save", saved)
			if out := a.lab("--lab", "west", "apply", saved); out != "nothing to change\n" {
				t.Errorf("applying what was saved changes: %s", out)
			}
			a.lab("--lab", "west", "link", "set", "h1:eth1", "--clear")
			a.lab("--lab", "west", "exec", "h1", "--", "ping", "-c", "1", "-W", "5", "10.0.0.2")
		})
	}
}

// The labs that we ship for two machines join them.
func TestLabTwoMachines(t *testing.T) {
	a, b := machines(t, true)
	a.up(a.example("two-machines/berlin.yaml"), "berlin")
	b.up(b.example("two-machines/paris.yaml"), "paris")
	t.Log("\n" + a.lab("test", "berlin") + b.lab("test", "paris"))
}

// The other side may be a kernel's VXLAN device.
func TestLabRemoteKernel(t *testing.T) {
	a, b := machines(t, true)
	b.host.AddKernelVTEP(t, netnstest.KernelVTEP{
		VNI: 4711, Local: netip.MustParseAddr("192.0.2.2"), Remotes: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Addresses: []string{"10.0.0.2/24"},
	})
	a.up(a.file("west", `
topology:
  nodes:
    h1: {address: {eth1: 10.0.0.1/24}}
    far: {kind: remote, address: 192.0.2.2, vni: 4711}
  links: [{endpoints: ["h1:eth1", far]}]
tests:
  - ping: {from: h1, to: 10.0.0.2, within: 20s}
  - ping: {from: h1, to: 10.0.0.2, size: 1322}
`), "west")
	t.Log("\n" + a.lab("test", "west"))
	tcp, err := b.host.ListenTCP("10.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	const length = 4 << 20 // enough for superframes
	got := make(chan int64, 1)
	go func() {
		c, err := tcp.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}()
	host, port, _ := strings.Cut(tcp.Addr().String(), ":")
	a.lab("exec", "h1", "--", "bash", "-c", fmt.Sprintf("head -c %d /dev/zero > /dev/tcp/%s/%s", length, host, port))
	if n := <-got; n != length {
		t.Errorf("%d of %d bytes arrived", n, length)
	}
}

// What cannot be is said in a line, and nothing is left.
func TestLabRemoteErrors(t *testing.T) {
	a, _ := machines(t, true)
	lab := func(remote string) string {
		return a.file("west", `
topology:
  nodes:
    h1:
    far: {kind: remote, `+remote+`}
  links: [{endpoints: ["h1:eth1", far]}]
`)
	}
	a.fails("there is no way to 198.51.100.1", "up", lab("address: 198.51.100.1, vni: 1"))
	a.fails("no interface of this host has the address 192.0.2.9", "up", lab("address: 192.0.2.2, vni: 1, vtep: 192.0.2.9"))
	taken, err := a.host.ListenUDP("192.0.2.1:4789")
	if err != nil {
		t.Fatal(err)
	}
	a.fails("UDP port 4789 is in use", "up", lab("address: 192.0.2.2, vni: 1"))
	a.gone("west")
	a.up(lab("address: 192.0.2.2, vni: 1, vtep: {port: 4790}"), "west")
	a.fails("vtep: that of lab west is 192.0.2.1:4790", "apply", lab("address: 192.0.2.2, vni: 1, vtep: {port: 4791}"))
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	a.lab("down", "west")
	if _, err := os.Stat(filepath.Join(a.home, "weft/lab/west")); err == nil {
		t.Error("the lab's directory is still there")
	}
	a.up(a.file("none", pairText), "none")
	a.fails("lab none was started without remotes", "apply", a.file("none", strings.Replace(pairText, "  links:",
		"    far: {kind: remote, address: 192.0.2.2, vni: 1}\n  links:\n    - endpoints: [\"h1:eth2\", far]", 1)))
}
