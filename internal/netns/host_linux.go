package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where `ip netns` keeps names, too.
const netnsDir = "/run/netns"

// Host is a network namespace with a name, lo up, and IPv6 addresses usable as
// soon as they are set.
type Host struct {
	Name string
	ns   vnetns.NsHandle
	nl   *netlink.Handle
	cpus []int // that Confine gave it, nil for any
}

// OpenHost makes a namespace; the caller closes it.
func OpenHost(name string) (*Host, error) {
	h := &Host{Name: name, ns: vnetns.None()}
	err := onLockedThread(func() (err error) {
		if h.ns, err = vnetns.NewNamed(name); err != nil {
			return err
		}
		return settle()
	})
	if err == nil {
		h.nl, err = netlink.NewHandleAt(h.ns)
	}
	if err == nil {
		err = h.setUp("lo")
	}
	if err != nil {
		_ = h.Close() // the error worth telling is the first
		return nil, fmt.Errorf("make namespace %q: %w", name, err)
	}
	return h, nil
}

// settle makes interfaces of the thread's namespace use IPv6 addresses without
// probing for duplicates first, which takes seconds (RFC 4862 section 5.4).
func settle() error {
	for _, iface := range []string{"all", "default"} {
		path := filepath.Join("/proc/sys/net/ipv6/conf", iface, "accept_dad")
		// The directory is missing without IPv6 and read-only in some
		// containers; addresses are set with nodad anyway.
		err := os.WriteFile(path, []byte("0"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
			return err
		}
	}
	return nil
}

// Close removes the namespace; it goes when nothing in it is open any more.
// Closing twice is harmless.
func (h *Host) Close() error {
	if !h.ns.IsOpen() {
		return nil
	}
	if h.nl != nil {
		h.nl.Close()
	}
	_ = h.ns.Close()
	if err := vnetns.DeleteNamed(h.Name); err != nil {
		return fmt.Errorf("remove namespace %q: %w", h.Name, err)
	}
	return nil
}

// Path is the file that stands for the namespace.
func (h *Host) Path() string { return filepath.Join(netnsDir, h.Name) }

// Netlink is a handle in the namespace.
func (h *Host) Netlink() *netlink.Handle { return h.nl }

// Run calls f on a thread in the namespace, and on the host's CPU if it has one of
// its own.
func (h *Host) Run(f func() error) error {
	return onLockedThread(func() error {
		if err := vnetns.Set(h.ns); err != nil {
			return fmt.Errorf("enter namespace %q: %w", h.Name, err)
		}
		if h.cpus == nil {
			return f()
		}
		back, err := CPUs()
		if err != nil {
			return err
		}
		if err := h.KeepThread(); err != nil {
			return err
		}
		return errors.Join(f(), Keep(back...))
	})
}

// Do is Run for an f that cannot fail. It panics when the namespace is gone.
func (h *Host) Do(f func()) {
	if err := h.Run(func() error { f(); return nil }); err != nil {
		panic(err)
	}
}

// Start starts the command in the namespace.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Run(cmd.Start) }

// Output runs the command in the namespace and gives its standard output and
// error together.
func (h *Host) Output(name string, args ...string) (string, error) {
	var out []byte
	err := h.Run(func() (err error) {
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	return string(out), err
}

// ListenTCP, DialTCP, ListenUDP and DialUDP are those of package net, in the
// namespace. Addresses are literal: "10.0.0.1:80", "[fd00::1]:0".
func (h *Host) ListenTCP(addr string) (l net.Listener, err error) {
	err = h.Run(func() error { l, err = net.Listen("tcp", addr); return err })
	return l, err
}

// DialTCP: see ListenTCP.
func (h *Host) DialTCP(addr string) (c net.Conn, err error) {
	err = h.Run(func() error { c, err = net.Dial("tcp", addr); return err })
	return c, err
}

// ListenUDP: see ListenTCP.
func (h *Host) ListenUDP(addr string) (c net.PacketConn, err error) {
	err = h.Run(func() error { c, err = net.ListenPacket("udp", addr); return err })
	return c, err
}

// DialUDP: see ListenTCP.
func (h *Host) DialUDP(addr string) (c net.Conn, err error) {
	err = h.Run(func() error { c, err = net.Dial("udp", addr); return err })
	return c, err
}

// onLockedThread calls f, which may change the thread's network namespace, and
// brings the thread back. A thread that cannot be brought back stays locked
// and so ends with its goroutine.
func onLockedThread(f func() error) error {
	runtime.LockOSThread()
	back, err := vnetns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open the thread's namespace: %w", err)
	}
	defer func() {
		if vnetns.Set(back) == nil {
			runtime.UnlockOSThread()
		}
		_ = back.Close()
	}()
	return f()
}
