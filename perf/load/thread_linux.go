package load

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// timerSlack is how late, in ns, the kernel may wake a sender to save power;
// 50 us by default (PR_SET_TIMERSLACK in prctl(2)).
const timerSlack = 1

// onThread calls f on a thread that blocks in system calls and ends with f,
// and with it what prepare, if not nil, set on it.
func onThread(prepare, f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if prepare != nil {
			if err := prepare(); err != nil {
				done <- err
				return
			}
		}
		done <- f()
	}()
	return done
}

// punctual makes sleeps of the thread end when they should.
func punctual() error {
	return os.NewSyscallError("PR_SET_TIMERSLACK", unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0))
}

// onFirstCPU keeps the thread on the first CPU that it may use.
func onFirstCPU() error {
	var may, first unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	for cpu := range len(may) * 64 {
		if may.IsSet(cpu) {
			first.Set(cpu)
			break
		}
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &first))
}
