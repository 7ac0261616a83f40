package unixsock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockWait bounds the wait for a process that begins or ends at the same
// moment, which takes it milliseconds.
const lockWait = 5 * time.Second

// lockPath serialises who makes, replaces and removes the socket: a file
// beside it, under flock(2), for as long as that takes. The kernel unlocks it
// when a process dies.
func lockPath(path string) (unlock func(), err error) {
	name := path + ".lock"
	for deadline := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, problem(ErrNoDirectory, "there is no directory %s", filepath.Dir(path))
		}
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && isNamed(f, name) {
			return func() {
				_ = os.Remove(name) // while it is locked: see isNamed
				_ = f.Close()
			}, nil
		}
		_ = f.Close()
		if time.Now().After(deadline) {
			return nil, problem(ErrLive, "somebody is beginning or ending with %s at this moment", path)
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
