package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"weft/ctl"
)

// ownDir says what keeps a directory from being this user's alone.
func ownDir(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of yours alone (set XDG_RUNTIME_DIR to one)", path)
	}
	return nil
}

// errHeld is what lock gives when somebody else has it.
var errHeld = errors.New("held by another process")

// lock takes the directory's lock, and makes both. The lock goes with the last
// process that has the file open.
func (d Dir) lock() (*os.File, error) {
	// The directory that daemons share is for everybody to enter.
	if shared := filepath.Dir(ctl.DefaultSocket()); strings.HasPrefix(string(d), shared+"/") {
		if err := errors.Join(os.MkdirAll(filepath.Dir(shared), 0o700), ctl.MakeSocketDir(shared)); err != nil {
			return nil, err
		}
	}
	for {
		if err := os.MkdirAll(string(d), 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(d.File(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by who had it, just now
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			return nil, errHeld
		}
		// Who had it before may have removed the file after we opened it. A
		// lock on a file without a name keeps nobody out.
		mine, err := f.Stat()
		if there, terr := os.Stat(d.File(lockFile)); err == nil && terr == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close()
	}
}

// held reports whether a lab lives in the directory.
func (d Dir) held() bool {
	f, err := os.Open(d.File(lockFile))
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// clear removes what a lab has left. The lock is held.
func (d Dir) clear() error {
	if err := d.removeContainers(); err != nil {
		return err
	}
	return os.RemoveAll(string(d))
}

// awaitLock takes the lock as soon as the lab has ended.
func (d Dir) awaitLock(within time.Duration) (*os.File, error) {
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		f, err := d.lock()
		if !errors.Is(err, errHeld) {
			return f, err
		}
		if time.Now().After(end) {
			return nil, ctl.Failed("the lab's daemon is still there after %v", within)
		}
	}
}
