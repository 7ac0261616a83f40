package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/lab"
	"weft/lab/engine"
	"weft/lab/space"
	"weft/lab/topology"
)

// A container is made by the engine, without a network. Its first process has a
// network namespace, which root's lab enters by the machine's /proc: the engine
// numbers processes as the machine does, and the lab's daemon does not. An
// ordinary user's lab may not enter it; join_linux.go is the other way round.

const (
	// engineTime is how long an engine may take to start or to remove a
	// container.
	engineTime = 30 * time.Second
	// noticeTime is how long an engine may take to see that a container has
	// ended.
	noticeTime = 2 * time.Second
	// logLines of a container are shown in an error.
	logLines = 5
)

// checkContainers refuses a change that a running container cannot take.
func (a *applier) checkContainers() error {
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		if n.Kind != topology.Container || !a.stays(n.Name) {
			continue
		}
		o := a.old.Node(n.Name)
		if o.Image != n.Image || o.Command != n.Command || !slices.Equal(o.Binds, n.Binds) || !slices.Equal(o.Env, n.Env) {
			return ctl.Conflict("node %s: image, cmd, binds and env of a container cannot change while it runs (leave it out of the file, apply, and put it back)", n.Name)
		}
	}
	return nil
}

// startContainers starts the containers that are new, all at once.
func (a *applier) startContainers(ctx context.Context) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards changes
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		if n.Kind != topology.Container || a.stays(n.Name) {
			continue
		}
		a.step("container %s", n.Name)
		wg.Go(func() {
			s, err := a.startContainer(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			a.note(actAdd, "node", n.Name, err)
			if err == nil {
				a.mu.Lock()
				a.spaces[n.Name] = s
				a.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (a *applier) startContainer(ctx context.Context, n *topology.Node) (*space.Space, error) {
	c, err := a.engine()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	spec, err := a.containerSpec(n)
	if err != nil {
		return nil, err
	}
	if lab.OrdinaryUser() {
		return a.startJoined(ctx, c, n, spec)
	}
	id, err := c.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	ns, err := a.enterContainer(ctx, c, id)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return space.Adopt(n.Name, string(a.dir), ns)
}

// enterContainer opens the network namespace of a container that was started.
func (l *Lab) enterContainer(ctx context.Context, c *engine.Client, id string) (*os.File, error) {
	for end := time.Now().Add(noticeTime); ; time.Sleep(10 * time.Millisecond) {
		pid, err := running(ctx, c, id)
		if err != nil {
			return nil, err
		}
		ns, err := l.namespaceOf(pid)
		if err == nil || time.Now().After(end) {
			return ns, err
		}
	}
}

// awaitContainers looks whether the containers that are new are still there: some
// commands end after a moment.
func (a *applier) awaitContainers(ctx context.Context) {
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		if n.Kind != topology.Container || a.stays(n.Name) || a.spaceOf(n.Name) == nil {
			continue
		}
		c, err := a.engine()
		if err == nil {
			_, err = running(ctx, c, a.dir.ContainerName(n.Name))
		}
		if err != nil {
			a.note(actChange, "node", n.Name, err)
		}
	}
}

// running gives the first process of a container, which has been started.
func running(ctx context.Context, c *engine.Client, id string) (pid int, err error) {
	state, err := c.State(ctx, id)
	if err == nil && !state.Running {
		said, _ := c.Log(ctx, id, logLines)
		err = fmt.Errorf("the container ended at once with exit code %d: %s", state.ExitCode, lastOf([]byte(said)))
	}
	return state.PID, err
}

// containerSpec is what the engine is to make. Like every node it finds the
// others by name.
func (a *applier) containerSpec(n *topology.Node) (engine.Spec, error) {
	args, err := n.Args()
	s := engine.Spec{
		Name: a.dir.ContainerName(n.Name), Image: n.Image, Host: n.Name, Args: args, Binds: n.Binds,
		Env:    append([]string{"WEFT_LAB=" + a.next.Name, "WEFT_NODE=" + n.Name}, n.Env...),
		Caps:   []string{"NET_ADMIN", "NET_RAW"}, // to change its own network, which is what labs are for
		Labels: map[string]string{lab.LabelLab: string(a.dir), lab.LabelNode: n.Name},
	}
	for _, other := range a.next.Nodes {
		if addr, err := a.next.Address(other.Name); err == nil {
			s.Hosts = append(s.Hosts, other.Name+":"+addr.String())
		}
	}
	return s, err
}

// namespaceOf opens the network namespace of a process of the machine.
func (l *Lab) namespaceOf(pid int) (*os.File, error) {
	name := filepath.Join(strconv.Itoa(pid), "ns/net")
	fd, err := unix.Openat(int(l.machine.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the container's namespace (/proc/%s): %w; is the engine one of this machine?", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// engine gives the client of the engine, and leaves word of it for who comes
// after, before there is a container to find.
func (l *Lab) engine() (*engine.Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.containers != nil {
		return l.containers, nil
	}
	c, err := engine.Default()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.dir.File(lab.EngineFile), []byte(c.Socket()+"\n"), 0o600); err != nil {
		return nil, err
	}
	l.containers = c
	return c, nil
}

// stopContainer removes a container that has gone from the file.
func (a *applier) stopContainer(ctx context.Context, name string) error {
	c, err := a.engine()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	return c.Remove(ctx, a.dir.ContainerName(name))
}

// removeContainers ends the containers with the lab. Should it fail, who clears
// the lab's directory says so.
func (l *Lab) removeContainers() {
	if l.containers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTime)
	defer cancel()
	if err := l.containers.RemoveLabelled(ctx, lab.LabelLab, string(l.dir)); err != nil {
		l.log.Error().Err(err).Msg("remove containers")
	}
}

// describeContainer fills in what there is to say of a container.
func (l *Lab) describeContainer(ctx context.Context, n *topology.Node, row *lab.Node) {
	c, err := l.engine()
	var state engine.State
	if err == nil {
		state, err = c.State(ctx, l.dir.ContainerName(n.Name))
	}
	switch {
	case err != nil:
		row.State, row.Reason = ctl.StateDown, err.Error()
	case !state.Running:
		row.State, row.Reason = ctl.StateDown, fmt.Sprintf("its command ended with exit code %d", state.ExitCode)
	default:
		row.Processes = 1
	}
}

// execInContainer runs one line of a container's exec with the shell in there.
func (l *Lab) execInContainer(n *topology.Node, line string) error {
	c, err := l.engine()
	if err != nil {
		return err
	}
	ctx := context.Background()
	p, err := c.Exec(ctx, l.dir.ContainerName(n.Name), engine.Exec{Args: []string{"/bin/sh", "-c", line}})
	if err != nil {
		return err
	}
	defer p.Close()
	_ = p.CloseWrite()
	var out bytes.Buffer
	if err := p.Copy(&out, &out); err != nil {
		return err
	}
	state, err := p.State(ctx)
	if err == nil && state.ExitCode != 0 {
		err = fmt.Errorf("exec %q: exit code %d: %s", line, state.ExitCode, lastOf(out.Bytes()))
	}
	return err
}
