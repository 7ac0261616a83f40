package space

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Processes starts processes and waits for all children of this one, also for
// those that it inherits. Nothing else in the process may wait for children.
type Processes struct {
	mu       sync.Mutex // held from fork until the child is known
	children map[int]*Process
}

// NewProcesses gives what Run must serve before a process ends.
func NewProcesses() *Processes { return &Processes{children: map[int]*Process{}} }

// Run waits for children until stop is closed.
func (p *Processes) Run(stop <-chan struct{}) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	for {
		p.reap()
		select {
		case <-ended:
		case <-stop:
			return
		}
	}
}

func (p *Processes) reap() {
	for {
		var status unix.WaitStatus
		p.mu.Lock()
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == nil && pid > 0 {
			if child := p.children[pid]; child != nil {
				delete(p.children, pid)
				child.status = status
				close(child.done)
			}
		}
		p.mu.Unlock()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// Command is a process to start.
type Command struct {
	Space *Space // nil is the daemon's own
	Args  []string
	Path  string // of the program, where it is not the one that Args[0] finds
	Env   []string
	Dir   string
	// Files are descriptors 0, 1, 2... of the process; borrowed until Start
	// returns.
	Files []uintptr
	// Bare leaves the process in the daemon's mounts and under its host name,
	// and gives it the space's network only.
	Bare bool
	// TTY makes descriptor 0 the controlling terminal.
	TTY bool
}

// Process is one that was started.
type Process struct {
	PID    int
	Space  *Space
	done   chan struct{}
	status unix.WaitStatus // once done is closed
}

// Start starts a process, in a session of its own.
func (p *Processes) Start(c Command) (*Process, error) {
	path := c.Path
	if path == "" {
		var err error
		if path, err = lookPath(c); err != nil {
			return nil, err
		}
	}
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: c.Files,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.TTY},
	}
	child := &Process{Space: c.Space, done: make(chan struct{})}
	err := onThread(func() error {
		if err := c.enter(); err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		pid, err := syscall.ForkExec(path, c.Args, attr)
		if err != nil {
			return fmt.Errorf("start %s: %w", c.Args[0], err)
		}
		child.PID = pid
		p.children[pid] = child
		return nil
	})
	if err != nil {
		return nil, err
	}
	return child, nil
}

// enter takes the calling thread to where the process is to be.
func (c *Command) enter() error {
	s := c.Space
	if s == nil {
		return nil
	}
	if !c.Bare {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.prepare(); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("enter node %s: %w", s.Name, err)
		}
		for _, ns := range []struct{ fd, kind int }{{s.uts, unix.CLONE_NEWUTS}, {s.mnt, unix.CLONE_NEWNS}} {
			if err := unix.Setns(ns.fd, ns.kind); err != nil {
				return fmt.Errorf("enter node %s: %w", s.Name, err)
			}
		}
	}
	if err := unix.Setns(s.net, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter node %s: %w", s.Name, err)
	}
	return nil
}

// ErrNotFound is wrapped when there is no such program.
var ErrNotFound = errors.New("command not found")

// SystemPath is where a machine's programs are.
const SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath finds the program as a shell with the command's environment would.
func lookPath(c Command) (string, error) {
	name := c.Args[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(c.Dir, name)
		}
		return name, nil
	}
	search := SystemPath
	for _, e := range c.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v + ":" + search // an ordinary user's has no sbin, where ip is
		}
	}
	for _, dir := range filepath.SplitList(search) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrNotFound, name)
}

// Done is closed when the process has ended.
func (c *Process) Done() <-chan struct{} { return c.done }

// ExitCode is what a shell would say: 128 and the signal's number for a
// process that a signal ended. It may be called once Done is closed.
func (c *Process) ExitCode() int {
	if c.status.Signaled() {
		return 128 + int(c.status.Signal())
	}
	return c.status.ExitStatus()
}

// Signal sends a signal to the process and to all in its process group.
func (c *Process) Signal(s unix.Signal) {
	select {
	case <-c.done: // the number may be another's by now
	default:
		_ = unix.Kill(-c.PID, s)
	}
}

// In lists the processes that were started in a space and have not ended;
// in all of them for nil.
func (p *Processes) In(s *Space) (list []*Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if s == nil || c.Space == s {
			list = append(list, c)
		}
	}
	return list
}
