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

// InNamespace runs f on a thread of its own in the namespace; "" is the
// caller's. The error wraps [ErrNoNamespace] where there is none.
func InNamespace(spec string, f func() error) error {
	if spec == "" {
		return f()
	}
	path := namespacePath(spec)
	ns, err := netns.GetFromPath(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %q (no %s)", ErrNoNamespace, spec, path)
		}
		return fmt.Errorf("namespace %q: %w", spec, err)
	}
	defer ns.Close()

	result := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so that the runtime ends it with the
		// goroutine and no other goroutine runs in the foreign namespace.
		runtime.LockOSThread()
		if err := netns.Set(ns); err != nil {
			result <- enterError(spec, path, err)
			return
		}
		result <- f()
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
