package tap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/frame"
	"weft/frame/offload"
	"weft/internal/netnstest"
)

// patience is how long anything may take on a slow machine.
const patience = 30 * time.Second

// client is a namespace with a TAP in it.
type client struct {
	host *netnstest.Host
	port *Port
}

// newClient makes client i of a test, with the addresses 10.77.0.i and fd77::i.
func newClient(t *testing.T, i int, c Config) client {
	t.Helper()
	h := netnstest.NewHost(t, fmt.Sprintf("c%d", i))
	c.IfName, c.NetNS = "eth0", h.Name
	c.Addresses = []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.77.0.%d/24", i)),
		netip.MustParsePrefix(fmt.Sprintf("fd77::%d/64", i)),
	}
	p, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return client{h, p}
}

// pipe carries what one TAP gives to another until it is closed, and gives the
// length of the longest frame so far.
func pipe(t *testing.T, from, to *Port) *atomic.Int64 {
	t.Helper()
	longest, ended := new(atomic.Int64), make(chan struct{})
	go func() {
		defer close(ended)
		var b frame.Batch
		var tally frame.Tally
		tx := to.NewTx()
		for from.Rx().ReadBatch(&b) == nil {
			var out []*frame.Buf
			for i := range b.Bufs() {
				f := &b.Bufs()[i]
				out = append(out, f)
				longest.Store(max(longest.Load(), int64(f.Len())))
			}
			tx.WriteBatch(out, &tally)
		}
	}()
	t.Cleanup(func() {
		_ = from.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("Close did not wake the reader")
		}
	})
	return longest
}

// TestCarry joins two TAPs. Superframes pass whole where both ends take them.
func TestCarry(t *testing.T) {
	const mtu = 1500
	for _, c := range []struct {
		name     string
		from, to Config
		whole    bool // superframes go into from's TAP, and out of to's
	}{
		{"native", Config{}, Config{}, true},
		{"no offload", Config{NoOffload: true}, Config{NoOffload: true}, false},
		{"offload to none", Config{}, Config{NoOffload: true}, false},
		{"none to offload", Config{NoOffload: true}, Config{}, false},
		{"portable", Config{Backend: Portable}, Config{Backend: Portable}, false},
		{"native to portable", Config{}, Config{Backend: Portable}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newClient(t, 1, c.from), newClient(t, 2, c.to)
			longest := pipe(t, a.port, b.port)
			pipe(t, b.port, a.port)
			for _, dst := range []string{"10.77.0.2", "fd77::2"} {
				if _, err := a.host.Ping(dst, 3, patience); err != nil {
					t.Fatal(err)
				}
			}
			seen := netnstest.NewCapture(t, b.host, "eth0")
			for i, dst := range []string{"10.77.0.2", "fd77::2"} {
				netnstest.TransferTCP(t, a.host, b.host, dst, 8<<20)
				netnstest.UDPEcho(t, a.host, b.host, dst, 1, 100, 1472, 8192)
				if i == 0 {
					checkWhole(t, seen, a.port.MAC(), mtu, c.whole)
				}
			}
			netnstest.TransferTCP(t, b.host, a.host, "10.77.0.1", 8<<20)

			offload := !c.from.NoOffload && c.from.Backend == Native
			if f := a.port.Features(); f.TSO != offload || f.Checksum != offload {
				t.Errorf("features %+v", f)
			}
			if got := longest.Load() > mtu+frame.EthernetLen; got != offload {
				t.Errorf("the longest frame read has %d bytes", longest.Load())
			}
		})
	}
}

// checkWhole looks for a frame from the address that is longer than the MTU.
func checkWhole(t *testing.T, seen *netnstest.Capture, from frame.MAC, mtu int, want bool) {
	t.Helper()
	for p := seen.Next(time.Second); p != nil; p = seen.Next(0) {
		eth, ok := p.LinkLayer().(*layers.Ethernet)
		if !ok || (from != frame.MAC{} && !slices.Equal(eth.SrcMAC, from[:])) || isTo(p, "10.77.0.1") {
			continue
		}
		if len(p.Data()) > mtu+frame.EthernetLen {
			if !want {
				t.Errorf("a frame of %d bytes came out of a TAP that takes none so long", len(p.Data()))
			}
			return
		}
	}
	if want {
		t.Error("no superframe came out of the TAP")
	}
}

func isTo(p gopacket.Packet, addr string) bool {
	ip, ok := p.NetworkLayer().(*layers.IPv4)
	return ok && ip.DstIP.Equal(net.ParseIP(addr))
}

// TestConfigure: the interface is as it was asked for, and changes as asked.
func TestConfigure(t *testing.T) {
	h := netnstest.NewHost(t, "c1")
	c := Config{
		IfName: "eth0", NetNS: h.Path(), MTU: 1400, MAC: frame.MAC{2, 0, 0, 0, 0, 1},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")},
	}
	p, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	check := func(c Config) {
		t.Helper()
		var addrs string
		h.Do(func() {
			i, err := net.InterfaceByName("eth0")
			if err != nil || i.MTU != c.MTU || i.HardwareAddr.String() != c.MAC.String() || i.Flags&net.FlagUp == 0 {
				t.Errorf("the interface is %+v, %v", i, err)
				return
			}
			list, err := i.Addrs()
			addrs = fmt.Sprint(list, err)
		})
		for _, a := range c.Addresses {
			if !strings.Contains(addrs, a.String()) {
				t.Errorf("%s is not in %s", a, addrs)
			}
		}
		if strings.Count(addrs, "/") != len(c.Addresses)+1 { // and the link-local one
			t.Errorf("addresses %s, want %v", addrs, c.Addresses)
		}
		if p.MAC() != c.MAC {
			t.Errorf("MAC is %s, want %s", p.MAC(), c.MAC)
		}
	}
	netnstest.Poll(t, patience, func() bool {
		var n int
		h.Do(func() {
			if i, err := net.InterfaceByName("eth0"); err == nil {
				list, _ := i.Addrs()
				n = len(list)
			}
		})
		return n == 3
	}, "the interface has its addresses")
	check(c)
	to := c
	to.MTU, to.MAC = 1300, frame.MAC{2, 0, 0, 0, 0, 2}
	to.Addresses = []netip.Prefix{c.Addresses[1], netip.MustParsePrefix("10.0.0.2/24")}
	if err := p.Reconfigure(c, to); err != nil {
		t.Fatal(err)
	}
	check(to)
}

func TestOpenErrors(t *testing.T) {
	h := netnstest.NewHost(t, "c1")
	p, err := Open(Config{IfName: "eth0", NetNS: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	leftover := t.TempDir() + "/leftover"
	if err := os.WriteFile(leftover, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config Config
		want   error // nil: any
		text   string
	}{
		{"name taken", Config{IfName: "eth0", NetNS: "c1"}, ErrExists, `"eth0"`},
		{"name taken, portable", Config{IfName: "eth0", NetNS: "c1", Backend: Portable}, ErrExists, `"eth0"`},
		{"name taken by another kind", Config{IfName: "lo", NetNS: "c1"}, ErrExists, `"lo"`},
		{"no namespace", Config{IfName: "x", NetNS: "nowhere"}, ErrNoNamespace, `"nowhere"`},
		{"no process", Config{IfName: "x", NetNS: "4194304"}, ErrNoNamespace, `"4194304"`},
		{"no path", Config{IfName: "x", NetNS: "/run/netns/nowhere"}, ErrNoNamespace, "/run/netns/nowhere"},
		{"a file", Config{IfName: "x", NetNS: leftover}, ErrNoNamespace, leftover},
		{"name too long", Config{IfName: "0123456789abcdef", NetNS: "c1"}, nil, `"0123456789abcdef"`},
		{"MTU too large", Config{IfName: "half", NetNS: "c1", MTU: 1 << 20}, nil, "set MTU 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Open(c.config)
			if err == nil {
				_ = p.Close()
				t.Fatal("no error")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	// What failed left nothing behind.
	h.Do(func() {
		list, err := net.Interfaces()
		if err != nil || len(list) != 2 {
			t.Errorf("interfaces %v, %v; want lo and eth0", list, err)
		}
	})
}

// TestSlots: every read begins where a copy of its payload is not slow, whatever
// was read before it.
func TestSlots(t *testing.T) {
	c := newClient(t, 1, Config{})
	lengths := []int{60, 61, 123, 124, 777, 1514}
	var frames [][]byte
	for _, n := range lengths {
		f := make([]byte, n)
		copy(f, []byte{2, 0, 0, 0, 0, 8, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
		frames = append(frames, f)
	}
	netnstest.Inject(t, c.host, "eth0", frames...)
	var b frame.Batch
	for seen := 0; seen < len(lengths); {
		if err := c.port.Rx().ReadBatch(&b); err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Bufs() {
			head := f.Head()
			if at := uintptr(unsafe.Pointer(&head[0])) % slotAlign; at != offload.VirtioLen {
				t.Errorf("a frame of %d bytes begins %d behind a multiple of %d", len(head), at, slotAlign)
			}
			if bytes.HasPrefix(head, frames[0][:14]) {
				seen++
			}
		}
	}
}

// readAll reads until there is an error, and gives that.
func readAll(p *Port) <-chan error {
	ended := make(chan error, 1)
	go func() {
		var b frame.Batch
		for {
			if err := p.Rx().ReadBatch(&b); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

func expectEnd(t *testing.T, ended <-chan error, want error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, want) {
			t.Errorf("the reader got %v, want %v", err, want)
		}
	case <-time.After(patience):
		t.Fatalf("the reader does not wake; want %v", want)
	}
}

// TestVanish: when its namespace is destroyed, the port says so.
func TestVanish(t *testing.T) {
	h := netnstest.NewHost(t, "c1")
	p, err := Open(Config{IfName: "eth0", NetNS: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	ended := readAll(p)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expectEnd(t, ended, ErrGone)
	expectDrop(t, p, frame.DropPortDown)
}

// TestClose: the interface goes, the reader wakes, and writes are dropped.
func TestClose(t *testing.T) {
	for _, backend := range []Backend{Native, Portable} {
		t.Run(fmt.Sprint(backend), func(t *testing.T) {
			h := netnstest.NewHost(t, "c1")
			p, err := Open(Config{IfName: "eth0", NetNS: "c1", Backend: backend})
			if err != nil {
				t.Fatal(err)
			}
			ended := readAll(p)
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			expectEnd(t, ended, os.ErrClosed)
			h.Do(func() {
				if _, err := net.InterfaceByName("eth0"); err == nil {
					t.Error("the interface is still there")
				}
			})
			expectDrop(t, p, frame.DropPortDown)
		})
	}
}

// TestLinkDown: a frame for an interface that somebody set down is dropped, and
// the port knows until one passes again.
func TestLinkDown(t *testing.T) {
	for _, backend := range []Backend{Native, Portable} {
		t.Run(fmt.Sprint(backend), func(t *testing.T) {
			c := newClient(t, 1, Config{Backend: backend})
			c.host.SetDown(t, "eth0")
			expectDrop(t, c.port, frame.DropPortDown)
			if !c.port.LinkDown() {
				t.Error("the port does not know that it is down")
			}
			c.host.SetUp(t, "eth0")
			if tally := write(c.port); tally.Frames != 1 || c.port.LinkDown() {
				t.Errorf("after it is up: sent %d, drops %v, down %t", tally.Frames, tally.Drops, c.port.LinkDown())
			}
		})
	}
}

// write writes one frame.
func write(p *Port) frame.Tally {
	mem := make([]byte, frame.Headroom+60)
	copy(mem[frame.Headroom:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
	var b frame.Buf
	b.Set(mem, frame.Headroom)
	var tally frame.Tally
	p.NewTx().WriteBatch([]*frame.Buf{&b}, &tally)
	return tally
}

func expectDrop(t *testing.T, p *Port, reason frame.DropReason) {
	t.Helper()
	if tally := write(p); tally.Frames != 0 || tally.Drops[reason] != 1 {
		t.Errorf("sent %d, drops %v; want one as %v", tally.Frames, tally.Drops, reason)
	}
}
