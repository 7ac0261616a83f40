package unixsock

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
)

const (
	// MaxPath is the longest path of a socket in bytes: sun_path less the
	// final NUL (unix(7)).
	MaxPath = 107

	// mode lets the owner and the group in. Connecting needs write permission.
	mode = 0o660
)

// Errors to branch on. What wraps them names the path.
var (
	ErrTooLong     = errors.New("path too long for a socket")
	ErrNoDirectory = errors.New("no such directory")
	ErrNotSocket   = errors.New("not a socket")
	ErrLive        = errors.New("in use") // by a process that lives
)

// Listen makes a stream socket. It appears with mode 0660 and accepting
// connections from the first moment that it has its name. A file that a dead
// process left is taken over; a live one is not disturbed, but for a connection
// that is closed again. Of several that call Listen at once, one gets the socket.
//
// Closing the listener removes the file, unless it is another's by then.
func Listen(path string) (net.Listener, error) {
	var inner *net.UnixListener
	n, err := claim("unix", path, func(early string) (err error) {
		if inner, err = net.ListenUnix("unix", &net.UnixAddr{Name: early, Net: "unix"}); err == nil {
			inner.SetUnlinkOnClose(false) // Close of listener does it, under the lock
		}
		return err
	})
	if err != nil {
		if inner != nil {
			_ = inner.Close()
		}
		return nil, err
	}
	return &listener{UnixListener: inner, name: n}, nil
}

type listener struct {
	*net.UnixListener
	name *name
}

// Addr is the path that clients use.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.name.path, Net: "unix"} }

// Close stops accepting and removes the file. Calling it again does nothing.
func (l *listener) Close() error { return l.name.release(l.UnixListener.Close) }

// Packet is a datagram socket with a name.
type Packet struct {
	*net.UnixConn
	name *name
}

// ListenPacket makes a datagram socket by the rules of [Listen].
func ListenPacket(path string) (*Packet, error) {
	var inner *net.UnixConn
	n, err := claim("unixgram", path, func(early string) (err error) {
		inner, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: early, Net: "unixgram"})
		return err
	})
	if err != nil {
		if inner != nil {
			_ = inner.Close()
		}
		return nil, err
	}
	return &Packet{UnixConn: inner, name: n}, nil
}

// Close removes the file. Calling it again does nothing.
func (p *Packet) Close() error { return p.name.release(p.UnixConn.Close) }

// claim has bind make a socket and gives it its name and mode in one step.
func claim(network, path string, bind func(early string) error) (*name, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// A 0700 directory beside the final name, so that nobody connects before
	// chmod; named to be no longer than "weft.sock".
	room := filepath.Join(filepath.Dir(path), ".w"+strconv.FormatUint(36*36*36*36+rand.Uint64N(35*36*36*36*36), 36))
	early := filepath.Join(room, "s")
	if n := max(len(path), len(early)); n > MaxPath {
		return nil, problem(ErrTooLong, "socket path %s has %d bytes; at most %d fit", path, n, MaxPath)
	}
	unlock, err := lockPath(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := checkFree(network, path); err != nil {
		return nil, err
	}
	if err := os.Mkdir(room, 0o700); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(room) }()
	if err := bind(early); err != nil {
		return nil, err
	}
	n := &name{path: path}
	n.file, err = publish(early, path)
	return n, err
}

// checkFree refuses a path that is in use. The lock of path is held.
func checkFree(network, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return problem(ErrNotSocket, "%s exists and is not a socket", path)
	}
	conn, err := net.DialTimeout(network, path, lockWait)
	if err == nil {
		_ = conn.Close()
	}
	// Refused is what a socket says whose process has gone. Anything else, a
	// full backlog too, is no proof that nobody is there.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return problem(ErrLive, "%s is in use by a running process", path)
	}
	return nil
}

// publish gives the bound socket its mode and its name.
func publish(early, path string) (fs.FileInfo, error) {
	if err := os.Chmod(early, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(early)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(early, path)
}

// name is a socket's file.
type name struct {
	path string
	file fs.FileInfo // as published

	once sync.Once
	err  error
}

// release removes the file and then closes the socket, once: nobody may find
// a socket that refuses.
func (n *name) release(closeSocket func() error) error {
	n.once.Do(func() {
		unlock, err := lockPath(n.path)
		if err == nil {
			defer unlock()
			if now, serr := os.Lstat(n.path); serr == nil && os.SameFile(now, n.file) {
				err = os.Remove(n.path)
			}
		}
		n.err = errors.Join(err, closeSocket())
	})
	return n.err
}

// failure is one of the errors above with its place.
type failure struct {
	kind error
	text string
}

func problem(kind error, format string, args ...any) error {
	return &failure{kind, fmt.Sprintf(format, args...)}
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }
