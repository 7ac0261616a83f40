package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU measures processor time from when it is started until it is stopped.
type CPU struct {
	started time.Time
	machine float64         // CPU seconds busy, at the start
	procs   map[int]float64 // CPU seconds by PID, at the start
}

// CPUUse is the CPU time between start and stop, in seconds of one CPU.
type CPUUse struct {
	Elapsed time.Duration
	// Busy is that of the whole machine: everything but idle, waiting for I/O
	// and what a hypervisor took away. From /proc/stat, in steps of 10 ms and
	// CPU. Whatever else runs on the machine is in it.
	Busy float64
	// Process is user and system time by PID, all threads, ended children not
	// included. From /proc/PID/stat, in steps of 10 ms. The kernel's work on
	// behalf of nobody in particular (softirq) is in none of them, or in the
	// wrong one; only Busy has it all.
	Process map[int]float64
}

// clockTick is the unit of time in /proc, USER_HZ: 100 a second on every
// architecture that Go runs on.
const clockTick = 0.01

// StartCPU starts to measure the machine and these processes.
func StartCPU(pids ...int) (*CPU, error) {
	c := &CPU{procs: map[int]float64{}}
	for _, pid := range pids {
		t, err := processTime(pid)
		if err != nil {
			return nil, err
		}
		c.procs[pid] = t
	}
	var err error
	c.machine, err = machineTime()
	c.started = time.Now()
	return c, err
}

// Stop gives what was used since the start. It may be called repeatedly. A
// process that has ended meanwhile is an error.
func (c *CPU) Stop() (CPUUse, error) {
	busy, err := machineTime()
	u := CPUUse{Elapsed: time.Since(c.started), Busy: busy - c.machine, Process: map[int]float64{}}
	for pid, before := range c.procs {
		now, perr := processTime(pid)
		err = errors.Join(err, perr)
		u.Process[pid] = now - before
	}
	return u, err
}

// machineTime is the CPU seconds the machine was busy since it started: user,
// nice, system, irq and softirq of the first line (proc_stat(5)).
func machineTime() (float64, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 8 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat starts with %q", line)
	}
	var ticks float64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += float64(n)
	}
	return ticks * clockTick, nil
}

// processTime is utime and stime (proc_pid_stat(5)).
func processTime(pid int) (float64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything; state is the field after.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime = 14 - 3, 15 - 3
	if len(f) <= stime {
		return 0, fmt.Errorf("%s: %q", path, stat)
	}
	u, err := strconv.ParseUint(f[utime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	s, err := strconv.ParseUint(f[stime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return float64(u+s) * clockTick, nil
}

// RSS is the resident memory of a process in bytes: its own pages and those of
// files it has mapped, its program among them, shared or not. From
// /proc/PID/smaps_rollup, which is exact where statm is a recent estimate. It
// does not measure what the kernel holds for it, such as socket buffers.
func RSS(pid int) (bytes uint64, err error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Rss:" && f[2] == "kB" {
			kb, err := strconv.ParseUint(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no Rss", path)
}
