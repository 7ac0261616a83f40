package netns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CPUs are the ones that the calling thread may run on, in order.
func CPUs() ([]int, error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var all []int
	for cpu := range len(may) * 64 {
		if may.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// Keep keeps the calling thread, and what it starts, on the CPUs.
func Keep(cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("keep to CPU %v: %w", cpus, os.NewSyscallError("sched_setaffinity", err))
	}
	return nil
}

// Confine makes the host one with a single CPU: from now on commands that are
// started in it stay there, and threads that call KeepThread.
func (h *Host) Confine(cpu int) { h.cpus = []int{cpu} }

// KeepThread keeps the calling thread on the host's CPU, if it has one of its own.
func (h *Host) KeepThread() error {
	if h.cpus == nil {
		return nil
	}
	return Keep(h.cpus...)
}
