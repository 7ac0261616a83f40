package space

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread calls f on a thread of its own, which ends afterwards: what f makes
// of it, its namespaces and its working directory, goes with it.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			result <- f()
			return // locked: the thread ends with the goroutine
		}
		// The process's first thread cannot end. It waits here, so that the
		// next goroutine gets another.
		result <- onThread(f)
		runtime.UnlockOSThread()
	}()
	return <-result
}

// here is the file of one of the calling thread's namespaces. It names no
// process id, which may be another in the /proc that is mounted.
func here(kind string) string { return "/proc/thread-self/ns/" + kind }

func openNamespace(kind string) (int, error) {
	fd, err := unix.Open(here(kind), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", here(kind), err)
	}
	return fd, nil
}
