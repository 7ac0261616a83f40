package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// daemon is a process that runs until its picture is closed.
type daemon struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Write collects what the daemon says.
func (d *daemon) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

// start starts a daemon on the side's host. It stays in the foreground.
func (s *Side) start(name string, env []string, args ...string) error {
	d := &daemon{name: name, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	d.cmd.Env = append(os.Environ(), env...)
	d.cmd.Dir = s.dir
	d.cmd.Stdout, d.cmd.Stderr = d, d
	// A pipe that says nothing: vde_switch ends when its input does. Wait
	// closes it.
	if _, err := d.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.Host.Start(d.cmd); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended is in cmd.ProcessState
		close(d.ended)
	}()
	s.daemons = append(s.daemons, d)
	return nil
}

// run runs a command on the side's host to its end.
func (s *Side) run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = s.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := s.Host.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// await waits until ok, or a daemon of the side ended.
func (s *Side) await(ctx context.Context, what string, ok func() bool) error {
	const pollEvery = 5 * time.Millisecond
	for end := time.Now().Add(comeUp); !ok(); time.Sleep(pollEvery) {
		if err := errors.Join(ctx.Err(), s.alive()); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v still not: %s", comeUp, what)
		}
	}
	return nil
}

// awaitFile waits for a file that a daemon makes when it is ready.
func (s *Side) awaitFile(ctx context.Context, path string) error {
	return s.await(ctx, path, func() bool { _, err := os.Stat(path); return err == nil })
}

// awaitLink waits for an interface on the side's host.
func (s *Side) awaitLink(ctx context.Context, name string) error {
	return s.await(ctx, "interface "+name, func() bool { _, err := s.Host.Netlink().LinkByName(name); return err == nil })
}

// alive is an error when a daemon has ended.
func (s *Side) alive() error {
	for _, d := range s.daemons {
		select {
		case <-d.ended:
			return fmt.Errorf("%s on %s ended by itself (%v)", d.name, s.Host.Name, d.cmd.ProcessState)
		default:
		}
	}
	return nil
}

// Pids are the side's daemons, none for a system that lives in the kernel.
func (s *Side) Pids() []int {
	var pids []int
	for _, d := range s.daemons {
		pids = append(pids, d.cmd.Process.Pid)
	}
	return pids
}

// stop ends the daemons, the last one first.
func (s *Side) stop() error {
	// None of them has anything to save, so a slow end is not waited for.
	const within = 2 * time.Second
	for _, d := range slices.Backward(s.daemons) {
		if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s: %w", d.name, err)
		}
		select {
		case <-d.ended:
		case <-time.After(within):
			_ = d.cmd.Process.Kill() // it may end this moment
			<-d.ended
		}
	}
	s.daemons = nil
	return nil
}

// Logs is an error that holds the last of what every daemon said, nil when
// that is nothing.
func (p *Picture) Logs() error {
	const lines = 10
	var errs []error
	for _, s := range p.Sides() {
		for _, d := range s.daemons {
			d.mu.Lock()
			said := strings.Split(strings.TrimSpace(d.log.String()), "\n")
			d.mu.Unlock()
			if len(said) > lines {
				said = said[len(said)-lines:]
			}
			if said[0] != "" {
				errs = append(errs, fmt.Errorf("%s on %s said:\n%s", d.name, s.Host.Name, strings.Join(said, "\n")))
			}
		}
	}
	return errors.Join(errs...)
}
