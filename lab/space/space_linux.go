package space

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Space is the namespaces of one node: its network, and what processes in it
// get besides: a host name, a /run and a /sys of their own.
type Space struct {
	Name string
	dir  string // of the lab, visible in every space
	path string // of the network namespace
	net  int
	nl   *netlink.Handle

	mu       sync.Mutex // guards what follows
	prepared bool
	uts, mnt int
}

// New makes a space, whose network namespace can be found at Path. dir is the
// lab's.
func New(name, dir string) (*Space, error) {
	s := &Space{Name: name, dir: dir, path: filepath.Join(dir, "ns", name), net: -1, uts: -1, mnt: -1}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		settle()
		s.net, err = openNamespace("net")
		return err
	})
	if err == nil {
		s.nl, err = netlink.NewHandleAt(vnetns.NsHandle(s.net))
	}
	if err == nil {
		err = s.bringUp("lo")
	}
	if err == nil {
		err = s.publish()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	return s, nil
}

// Adopt makes a space of a network namespace that somebody else made, which f
// is open on: a container's. Processes of the lab are not started in it. dir is
// the lab's.
func Adopt(name, dir string, f *os.File) (*Space, error) {
	s := &Space{Name: name, dir: dir, path: filepath.Join(dir, "ns", name), net: -1, uts: -1, mnt: -1}
	var err error
	if s.net, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		err = s.Run(func() error { settle(); return nil })
	}
	if err == nil {
		s.nl, err = netlink.NewHandleAt(vnetns.NsHandle(s.net))
	}
	if err == nil {
		err = s.publish()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	return s, nil
}

// settle makes IPv6 addresses usable at once, instead of after probing for
// duplicates for seconds (RFC 4862 section 5.4), and at all, which engines of
// containers turn off. Without IPv6 there is no such file, in some containers it
// is read-only, and both are harmless.
func settle() {
	for _, which := range []string{"all", "default"} {
		for _, name := range []string{"accept_dad", "disable_ipv6"} {
			_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", which, name), []byte("0"), 0)
		}
	}
}

// publish gives the namespace a path, which other processes of the lab can
// open: a mount that only they see.
func (s *Space) publish() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", s.net), s.path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", s.path, err)
	}
	return nil
}

// Path is the file of the network namespace.
func (s *Space) Path() string { return s.path }

// Netlink is a handle in the network namespace.
func (s *Space) Netlink() *netlink.Handle { return s.nl }

// Close lets go of the namespaces. They end with the last process in them.
func (s *Space) Close() {
	if s.nl != nil {
		s.nl.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range []*int{&s.net, &s.uts, &s.mnt} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	_ = unix.Unmount(s.path, unix.MNT_DETACH)
	_ = os.Remove(s.path)
}

// Run calls f on a thread in the network namespace.
func (s *Space) Run(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(s.net, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter node %s: %w", s.Name, err)
		}
		return f()
	})
}

func (s *Space) bringUp(ifname string) error {
	link, err := s.nl.LinkByName(ifname)
	if err == nil {
		err = s.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", ifname, err)
	}
	return nil
}

// SetAddresses makes the addresses of an interface that were old those that
// are asked for.
func (s *Space) SetAddresses(ifname string, old, want []string) error {
	link, err := s.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("%s:%s: %w", s.Name, ifname, err)
	}
	change := func(list []string, skip []string, f func(netlink.Link, *netlink.Addr) error, harmless unix.Errno) error {
		for _, a := range list {
			p, err := netip.ParsePrefix(a)
			if err != nil || slices.Contains(skip, a) {
				continue
			}
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
			if err := f(link, addr); err != nil && !errors.Is(err, harmless) {
				return fmt.Errorf("%s:%s: address %s: %w", s.Name, ifname, a, err)
			}
		}
		return nil
	}
	if err := change(old, want, s.nl.AddrDel, unix.EADDRNOTAVAIL); err != nil {
		return err
	}
	return change(want, old, s.nl.AddrAdd, unix.EEXIST)
}

// prepare makes the namespaces that processes get besides the network, once.
// Callers hold mu.
func (s *Space) prepare() error {
	if s.prepared {
		return nil
	}
	err := onThread(func() (err error) {
		if err := unix.Setns(s.net, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter: %w", err)
		}
		if err := unix.Unshare(unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("new namespaces: %w", err)
		}
		if err := unix.Sethostname([]byte(s.Name)); err != nil {
			return fmt.Errorf("set the host name: %w", err)
		}
		if err := s.furnish(); err != nil {
			return err
		}
		if s.uts, err = openNamespace("uts"); err != nil {
			return err
		}
		s.mnt, err = openNamespace("mnt")
		return err
	})
	if err != nil {
		return fmt.Errorf("node %s: %w", s.Name, err)
	}
	s.prepared = true
	return nil
}

// furnish puts an empty /run over the machine's, where each node's daemons
// keep their sockets and process ids, with only the lab's directory in it; the
// node's own interfaces into /sys; and the lab's names into /etc/hosts.
func (s *Space) furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	fd, err := unix.Open(s.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.dir, err)
	}
	defer unix.Close(fd)
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	// Below /run the directory has just been hidden.
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), s.dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", s.dir, err)
	}
	// Containers may refuse these two; then the machine's are seen.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	hosts := filepath.Join(s.dir, "hosts")
	if _, err := os.Stat(hosts); !errors.Is(err, fs.ErrNotExist) {
		_ = unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, "")
	}
	return nil
}
