package netnstest

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

const long = 10 * time.Second

// kernelPair is two hosts on an underlay, each with a VXLAN device of the
// kernel and a client behind it.
func kernelPair(t *testing.T, tweak func(*KernelVTEP), underlay ...string) (a, b, clientA, clientB *Host) {
	t.Helper()
	a, b = NewHost(t, "a"), NewHost(t, "b")
	clientA, clientB = NewHost(t, "ca"), NewHost(t, "cb")
	Connect(t, End{Host: a, IfName: "u0", Addresses: underlay[:1]}, End{Host: b, IfName: "u0", Addresses: underlay[1:]}, 0)
	la, lb := netip.MustParsePrefix(underlay[0]).Addr(), netip.MustParsePrefix(underlay[1]).Addr()
	va := KernelVTEP{
		VNI: 42, Local: la, Remotes: []netip.Addr{lb},
		Client: End{Host: clientA, IfName: "eth0", Addresses: []string{"10.77.0.1/24", "fd77::1/64"}},
	}
	vb := KernelVTEP{
		VNI: 42, Local: lb, Remotes: []netip.Addr{la}, Addresses: []string{"10.77.0.20/24"},
		Client: End{Host: clientB, IfName: "eth0", Addresses: []string{"10.77.0.2/24", "fd77::2/64"}},
	}
	if tweak != nil {
		tweak(&va)
		tweak(&vb)
	}
	a.AddKernelVTEP(t, va)
	b.AddKernelVTEP(t, vb)
	return a, b, clientA, clientB
}

// TestKernelVXLAN shows that the helpers are right before anything of weft is
// measured with them.
func TestKernelVXLAN(t *testing.T) {
	for _, c := range []struct {
		name     string
		tweak    func(*KernelVTEP)
		underlay []string
		mtu      int
	}{
		{name: "IPv4", underlay: []string{"10.99.0.1/24", "10.99.0.2/24"}, mtu: 1450},
		{name: "IPv6", underlay: []string{"fd99::1/64", "fd99::2/64"}, mtu: 1430},
		{
			name: "no checksum, other port", underlay: []string{"10.99.0.1/24", "10.99.0.2/24"}, mtu: 1450,
			tweak: func(v *KernelVTEP) { v.NoChecksum, v.NoLearning, v.Port = true, true, 14789 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, b, clientA, clientB := kernelPair(t, c.tweak, c.underlay...)
			wire := NewCapture(t, b, "u0")
			clientA.MustPing(t, "10.77.0.2", 3)
			clientB.MustPing(t, "fd77::1", 3)
			clientA.MustPing(t, "10.77.0.20", 1)
			clientA.MustNotPing(t, "10.77.0.99", 50*time.Millisecond)

			want := KernelVTEP{Port: 4789}
			if c.tweak != nil {
				c.tweak(&want)
			}
			outer := wire.WaitFor(func(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeUDP) != nil }, long)
			udp := outer.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if udp.DstPort != layers.UDPPort(want.Port) || (udp.Checksum == 0) != want.NoChecksum {
				t.Errorf("outer UDP is %+v", udp)
			}
			eth0, err := clientA.Netlink().LinkByName("eth0")
			if err != nil || eth0.Attrs().MTU != c.mtu {
				t.Errorf("client's link is %+v, %v, want MTU %d", eth0, err, c.mtu)
			}
			for _, dst := range []string{"10.77.0.2", "fd77::2"} {
				if bps := TransferTCP(t, clientA, clientB, dst, 4<<20); bps <= 0 {
					t.Errorf("throughput is %v", bps)
				}
				UDPEcho(t, clientA, clientB, dst, 1, 100, 1400, 8192)
			}
		})
	}
}

// TestCableDown: a wire that is cut carries nothing, one that is mended does.
func TestCableDown(t *testing.T) {
	a, b := NewHost(t, "a"), NewHost(t, "b")
	Connect(t, End{Host: a, IfName: "x", Addresses: []string{"10.0.0.1/24"}}, End{Host: b, IfName: "y", Addresses: []string{"10.0.0.2/24"}}, 0)
	a.MustPing(t, "10.0.0.2", 1)
	b.SetDown(t, "y")
	a.MustNotPing(t, "10.0.0.2", 50*time.Millisecond)
	b.SetUp(t, "y")
	a.MustPing(t, "10.0.0.2", 1)
}

func TestInjectAndCapture(t *testing.T) {
	a, b := NewHost(t, "a"), NewHost(t, "b")
	Connect(t, End{Host: a, IfName: "x", MAC: "02:00:00:00:00:0a"}, End{Host: b, IfName: "y"}, 0)
	seen := NewCapture(t, b, "y")
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }
	for _, tagged := range []bool{false, true} {
		eth := &layers.Ethernet{DstMAC: mac(1), SrcMAC: mac(2), EthernetType: 0x88b5}
		parts := []gopacket.SerializableLayer{eth, gopacket.Payload("the weft is carried across")}
		if tagged {
			eth.EthernetType = layers.EthernetTypeDot1Q
			parts = []gopacket.SerializableLayer{eth, &layers.Dot1Q{VLANIdentifier: 10, Priority: 3, Type: 0x88b5}, parts[1]}
		}
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, parts...); err != nil {
			t.Fatal(err)
		}
		Inject(t, a, "x", buf.Bytes())
		got := seen.WaitFor(func(p gopacket.Packet) bool {
			e, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
			return ok && bytes.Equal(e.SrcMAC, mac(2))
		}, long)
		if !bytes.Equal(got.Data(), buf.Bytes()) {
			t.Errorf("tagged=%v: sent %x, captured %x", tagged, buf.Bytes(), got.Data())
		}
	}
	seen.Never(func(p gopacket.Packet) bool {
		e, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		return ok && bytes.Equal(e.SrcMAC, mac(2))
	}, 20*time.Millisecond)
}

// TestRunComesBack: work inside a namespace leaves the thread where it was,
// and a command is started inside.
func TestRunComesBack(t *testing.T) {
	h := NewHost(t, "a")
	inode := func() uint64 {
		var st unix.Stat_t
		if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	outside := inode()
	var inside uint64
	h.Do(func() { inside = inode() })
	if inside == outside {
		t.Error("Do did not enter the namespace")
	}
	for range 100 {
		if inode() != outside {
			t.Fatal("a thread stayed in the namespace")
		}
	}
	var out strings.Builder
	cmd := exec.Command("/bin/sh", "-c", "cat /proc/net/dev")
	cmd.Stdout = &out
	Connect(t, End{Host: h, IfName: "only0"}, End{Host: h, IfName: "only1"}, 0)
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "only1") {
		t.Errorf("the command saw %q, %v", out.String(), err)
	}
}

// TestCloseRemoves: nothing of a host is left after its test.
func TestCloseRemoves(t *testing.T) {
	var path string
	t.Run("with host", func(t *testing.T) {
		path = NewHost(t, "brief").Path()
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := os.Stat(path); path != "" && !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", path, err)
	}
}
