package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Busy is what a measurement kept busy, in percent of one processor.
type Busy struct {
	Machine float64 `json:"machine_percent"`
	Daemon  float64 `json:"daemon_percent,omitempty"`
}

// String is "" for nil.
func (b *Busy) String() string {
	switch {
	case b == nil:
		return ""
	case b.Daemon == 0:
		return fmt.Sprintf("  busy %3.0f %% of %d00", b.Machine, runtime.NumCPU())
	}
	return fmt.Sprintf("  busy %3.0f %% of %d00, daemon %.0f", b.Machine, runtime.NumCPU(), b.Daemon)
}

// observation is where a Busy begins.
type observation struct {
	at           time.Time
	pid          int
	idle, daemon float64 // in ticks of 10 ms
}

// observe begins a Busy; pid is the daemon's, 0 without one.
func observe(pid int) observation {
	return observation{time.Now(), pid, idleTicks(), daemonTicks(pid)}
}

// since gives the Busy until now, nil on a system without /proc.
func (o observation) since() *Busy {
	now := observe(o.pid)
	if now.idle == 0 {
		return nil
	}
	ticks := float64(now.at.Sub(o.at)) / float64(10*time.Millisecond)
	busy := float64(runtime.NumCPU()) - (now.idle-o.idle)/ticks
	return &Busy{100 * max(0, busy), 100 * (now.daemon - o.daemon) / ticks}
}

// idleTicks is how long all processors have had nothing to do: idle and iowait
// of /proc/stat (proc_stat(5)). What was busy is counted there by samples, what
// was idle is measured.
func idleTicks() float64 {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return sum(bytes.Fields(line), 4, 5)
}

// daemonTicks is utime and stime of /proc/PID/stat (proc_pid_stat(5)). Fields
// behind the name in parentheses are counted from it.
func daemonTicks(pid int) float64 {
	if pid == 0 {
		return 0
	}
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return sum(bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:]), 11, 12)
}

func sum(fields [][]byte, which ...int) (total float64) {
	for _, i := range which {
		if i < len(fields) {
			v, _ := strconv.ParseFloat(string(fields[i]), 64)
			total += v
		}
	}
	return total
}
