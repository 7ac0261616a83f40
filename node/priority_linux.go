package node

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"weft/ctl"
)

// niceness is that of a router's threads. At the ordinary one, the scheduler
// takes a thread that looks for frames, and yields all the time, for one that
// has had its share: whom a router wakes on another processor then interrupts
// that processor at once, which costs a virtual machine 30 microseconds, instead
// of being given it by the next yield, which costs two (docs/adr/0006).
const niceness = -10

// prioritize gives the process precedence over ordinary ones, if it may and the
// configuration does not forbid it. It is for a process that is a router and
// nothing else: whatever it starts afterwards inherits it.
func (n *Node) prioritize() {
	f := &ctl.Feature{Name: "priority"}
	if n.offload.Priority == ctl.OffloadOff {
		f.Reason = turnedOff
	} else if err := renice(niceness); err != nil {
		f.Reason = fmt.Sprintf("%v: it takes root or a limit (ulimit -e %d)", err, 20-niceness)
		n.log.Info().Str("reason", f.Reason).Msg("no precedence over other processes")
	} else {
		f.Enabled = true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.priority = f
}

// renice sets the nice value of every thread; those that come later inherit it
// from the thread that makes them.
func renice(nice int) error {
	for again := true; again; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		again = false
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			// The system call, unlike that of the C library, gives 20 - nice.
			if p, err := unix.Getpriority(unix.PRIO_PROCESS, id); err != nil || p == 20-nice {
				continue // ended, or done
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && !errors.Is(err, unix.ESRCH) {
				return os.NewSyscallError("setpriority", err)
			}
			again = true // it may have made another one before
		}
	}
	return nil
}
