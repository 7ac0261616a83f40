package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"weft/internal/unixsock"
)

// SystemSocket is where root's daemon listens.
const SystemSocket = "/run/weft/weft.sock"

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
		if err := MakeSocketDir(dir); err != nil {
			return nil, err
		}
	}
	l, err := unixsock.Listen(path)
	switch {
	case errors.Is(err, unixsock.ErrTooLong):
		return nil, Invalid("%v (choose a shorter one with --socket)", err)
	case errors.Is(err, unixsock.ErrLive):
		return nil, Conflict("a daemon already serves %s (stop it, or choose another path with --socket)", path)
	case errors.Is(err, unixsock.ErrNotSocket):
		return nil, Conflict("%v (choose another path with --socket)", err)
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// MakeSocketDir makes the directory of the default socket, also for one with
// another name beside it. Who may use a socket is the socket's own mode to say,
// so the umask has no part in this one's. The mode of a directory that is there
// is somebody's decision.
func MakeSocketDir(dir string) error {
	const mode = 0o755
	err := os.Mkdir(dir, mode)
	if err == nil {
		err = os.Chmod(dir, mode)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}
