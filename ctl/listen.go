package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// SystemSocket is where root's daemon listens.
	SystemSocket = "/run/weft/weft.sock"

	// maxSocketPath is sun_path less the final NUL (unix(7)).
	maxSocketPath = 107

	// socketMode lets the owner and the group in. Connecting needs write permission.
	socketMode = 0o660

	// lockWait bounds the wait for a daemon that starts or stops at the same
	// moment, which takes it milliseconds.
	lockWait = 5 * time.Second
)

// DefaultSocket is the socket of this user's daemon: [SystemSocket] for root,
// else weft/weft.sock below XDG_RUNTIME_DIR; "" for a user who has none.
func DefaultSocket() string {
	if os.Geteuid() == 0 {
		return SystemSocket
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "weft", "weft.sock")
	}
	return ""
}

// Listen makes the control socket. It appears whole: with mode 0660 and
// accepting connections from the first moment that it has its name. A file
// that a dead daemon left is taken over; a live daemon is not disturbed. Of
// several daemons that call Listen at once, one gets the socket.
//
// Closing the listener removes the file, unless it is another's by then.
func Listen(path string) (net.Listener, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	dir := filepath.Dir(path)
	if own := DefaultSocket(); own != "" && dir == filepath.Dir(own) {
		if err := makeSocketDir(dir); err != nil {
			return nil, err
		}
	}
	// A 0700 directory beside the final name, so that nobody connects before
	// chmod; named to be no longer than "weft.sock".
	room := filepath.Join(dir, ".w"+strconv.FormatUint(36*36*36*36+rand.Uint64N(35*36*36*36*36), 36))
	early := filepath.Join(room, "s")
	if n := max(len(path), len(early)); n > maxSocketPath {
		return nil, Invalid("socket path %s has %d bytes; at most %d fit (choose a shorter one with --socket)", path, n, maxSocketPath)
	}

	unlock, err := lockPath(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := checkFree(path); err != nil {
		return nil, err
	}
	if err := os.Mkdir(room, 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(room) }()
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: early, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	inner.SetUnlinkOnClose(false) // Close of socket does it, under the lock
	l := &socket{UnixListener: inner, path: path}
	if l.file, err = publish(early, path); err != nil {
		_ = inner.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// makeSocketDir makes the directory of the default socket, also for one with
// another name beside it. Who may use a socket is the socket's own mode to say.
func makeSocketDir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// checkFree refuses a path that is in use. The lock of path is held.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return Conflict("%s exists and is not a socket (choose another path with --socket)", path)
	}
	conn, err := net.DialTimeout("unix", path, lockWait)
	if err == nil {
		_ = conn.Close()
	}
	// Refused is what a socket says whose process has gone. Anything else, a
	// full backlog too, is no proof that nobody is there.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return Conflict("a daemon already serves %s (stop it, or choose another path with --socket)", path)
	}
	return nil
}

// publish gives the listening socket its mode and its name in one step.
func publish(early, path string) (fs.FileInfo, error) {
	if err := os.Chmod(early, socketMode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(early)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(early, path)
}

// socket is the listener that Listen gives.
type socket struct {
	*net.UnixListener
	path string
	file fs.FileInfo // as published

	once sync.Once
	err  error
}

// Addr is the path that clients use.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close stops accepting and removes the file. Calling it again does nothing.
func (s *socket) Close() error {
	s.once.Do(func() {
		unlock, lockErr := lockPath(s.path)
		if lockErr == nil {
			defer unlock()
			if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
				lockErr = os.Remove(s.path)
			}
		}
		// After the removal: nobody may find a socket that refuses.
		s.err = errors.Join(lockErr, s.UnixListener.Close())
	})
	return s.err
}

// lockPath serialises who makes, replaces and removes the socket: a file
// beside it, under flock(2), for as long as that takes. The kernel unlocks it
// when a process dies.
func lockPath(path string) (unlock func(), err error) {
	name := path + ".lock"
	for deadline := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("control socket: there is no directory %s", filepath.Dir(path))
		}
		if err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && isNamed(f, name) {
			return func() {
				_ = os.Remove(name) // while it is locked: see isNamed
				_ = f.Close()
			}, nil
		}
		_ = f.Close()
		if time.Now().After(deadline) {
			return nil, Conflict("another daemon is starting or stopping on %s (try again)", path)
		}
	}
}

// isNamed reports whether f is still what name leads to. The holder before us
// may have removed the file between our open and our lock; a lock on a file
// without a name keeps nobody out.
func isNamed(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there)
}
