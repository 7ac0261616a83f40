package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) keeps names.
const netnsDir = "/run/netns"

// namespacePath gives the file of a namespace that is named, a PID or a path.
func namespacePath(spec string) string {
	switch {
	case strings.Contains(spec, "/"):
		return spec
	case strings.Trim(spec, "0123456789") == "":
		// A name of digits alone wins over the process of that number.
		if _, err := os.Stat(filepath.Join(netnsDir, spec)); err == nil {
			return filepath.Join(netnsDir, spec)
		}
		return filepath.Join("/proc", spec, "ns/net")
	}
	return filepath.Join(netnsDir, spec)
}

// namespace is where an interface is to live: nil is the caller's.
type namespace struct {
	spec, path string
	fd         netns.NsHandle
}

// openNamespace finds the namespace; nil for "". The error wraps
// [ErrNoNamespace] where there is none.
func openNamespace(spec string) (*namespace, error) {
	if spec == "" {
		return nil, nil
	}
	n := &namespace{spec: spec, path: namespacePath(spec)}
	var err error
	if n.fd, err = netns.GetFromPath(n.path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %q (no %s)", ErrNoNamespace, spec, n.path)
		}
		return nil, fmt.Errorf("namespace %q: %w", spec, err)
	}
	return n, nil
}

func (n *namespace) close() {
	if n != nil {
		_ = n.fd.Close()
	}
}

// run calls f on a thread in the namespace. What f opens holds the namespace
// open, so f closes it; a TAP's descriptor is never opened here.
func (n *namespace) run(f func() error) error {
	if n == nil {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		back, err := netns.GetFromPath("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("open the daemon's namespace: %w", err)
			return
		}
		defer back.Close()
		if err := netns.Set(n.fd); err != nil {
			runtime.UnlockOSThread()
			result <- enterError(n.spec, n.path, err)
			return
		}
		result <- f()
		// A thread that cannot come back stays locked, and ends with the
		// goroutine. It must not stay: it would hold the namespace.
		if netns.Set(back) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return <-result
}

func enterError(spec, path string, err error) error {
	switch {
	case errors.Is(err, unix.EINVAL):
		// A file that is left over from a namespace is no namespace any more.
		return fmt.Errorf("%w: %q (%s is not a network namespace)", ErrNoNamespace, spec, path)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("enter namespace %q: not permitted (run weft as root, or inside the user namespace that made it)", spec)
	}
	return fmt.Errorf("enter namespace %q: %w", spec, err)
}
