package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/lab/engine"
	"weft/lab/topology"
)

// containersPermitted looks whether there is an engine and has what the nodes
// need.
func containersPermitted(ctx context.Context, t *topology.Topology) error {
	var c *engine.Client
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind != topology.Container {
			continue
		}
		if c == nil {
			var err error
			if c, err = engine.Default(); err == nil {
				defer c.Close()
				err = c.Ping(ctx)
			}
			if err != nil {
				return ctl.Failed("node %s: %v", n.Name, err)
			}
		}
		there, err := c.HasImage(ctx, n.Image)
		if err != nil {
			return ctl.Failed("node %s: image %s: %v", n.Name, n.Image, err)
		}
		if !there {
			return ctl.Failed("node %s: the engine has no image %s (docker pull %s)", n.Name, n.Image, n.Image)
		}
	}
	return nil
}

// OrdinaryUser reports whether this process belongs to one, who in a lab of his
// is root over himself alone: of his users the lab has one.
func OrdinaryUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return os.Geteuid() != 0 || err == nil && len(fields) == 3 && fields[2] == "1"
}

// execInContainer is Exec by the engine: the command is in all of the
// container's namespaces, and under its limits.
func execInContainer(ctx context.Context, d Dir, o ExecOptions, signals <-chan os.Signal) (int, error) {
	c, err := d.engine()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	env := o.Env
	if o.TTY {
		env = append(env, "TERM="+os.Getenv("TERM"))
	}
	container := d.ContainerName(o.Node)
	p, err := c.Exec(ctx, container, engine.Exec{Args: o.Args, Env: env, TTY: o.TTY, Detach: o.Detach})
	if err != nil {
		return 0, fmt.Errorf("node %s: %w", o.Node, err)
	}
	defer p.Close()
	if o.Detach {
		return 0, nil
	}
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	if o.TTY {
		restore, err := raw(o.In)
		if err != nil {
			return 0, err
		}
		defer restore()
		defer followSize(ctx, p, o.In)()
	}
	// Reading the user's terminal cannot be interrupted; it ends with the
	// process.
	go func() {
		_, _ = io.Copy(p, o.In)
		_ = p.CloseWrite()
	}()
	if o.Signals {
		go killInContainer(ctx, c, container, p, signals)
	}
	if err := p.Copy(o.Out, o.Err); err != nil {
		return 0, fmt.Errorf("node %s: %w", o.Node, err)
	}
	return exitCode(ctx, p)
}

// followSize gives the command's terminal the size of the user's until stop.
func followSize(ctx context.Context, p *engine.Process, from *os.File) (stop func()) {
	resize := func() {
		if size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ); err == nil {
			_ = p.Resize(ctx, int(size.Row), int(size.Col))
		}
	}
	resize()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	go func() {
		for range resized {
			resize()
		}
	}()
	return func() {
		signal.Stop(resized)
		close(resized)
	}
}

// killInContainer hands on what was caught. The engine's API has no way to; the
// process is one of this machine's.
func killInContainer(ctx context.Context, c *engine.Client, container string, p *engine.Process, caught <-chan os.Signal) {
	for s := range caught {
		state, err := p.State(ctx)
		// The engine may not know yet of a command that speaks already.
		for end := time.Now().Add(endTime); err == nil && state.PID == 0 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
			state, err = p.State(ctx)
		}
		s, ok := s.(unix.Signal)
		if !ok || err != nil || !state.Running || state.PID <= 1 {
			continue
		}
		if unix.Kill(state.PID, s) == unix.EPERM { // it is root's, and this an ordinary user
			_ = killWithin(ctx, c, container, state.PID, s)
		}
	}
}

// killWithin has the container's shell send a signal to a process of the
// container, whose number on this machine is pid.
func killWithin(ctx context.Context, c *engine.Client, container string, pid int, s unix.Signal) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	_, numbers, _ := strings.Cut(string(text), "\nNSpid:")
	numbers, _, _ = strings.Cut(numbers, "\n")
	fields := strings.Fields(numbers) // one for each namespace, the innermost last: proc_pid_status(5)
	if len(fields) == 0 {
		return fmt.Errorf("no NSpid of process %d", pid)
	}
	kill := fmt.Sprintf("kill -%d %s", int(s), fields[len(fields)-1])
	_, err = c.Exec(ctx, container, engine.Exec{Args: []string{"/bin/sh", "-c", kill}, Detach: true})
	return err
}

// endTime is how long an engine may take to know that a command has ended whose
// output has.
const endTime = 10 * time.Second

func exitCode(ctx context.Context, p *engine.Process) (int, error) {
	for end := time.Now().Add(endTime); ; time.Sleep(5 * time.Millisecond) {
		state, err := p.State(ctx)
		switch {
		case err != nil:
			return 0, err
		case !state.Running:
			return state.ExitCode, nil
		case time.Now().After(end):
			return 0, ctl.Failed("the command has closed its output and runs on")
		}
	}
}
