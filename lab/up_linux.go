package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/internal/netns"
	"weft/lab/topology"
	"weft/tunnel"
)

// What the daemon finds open when it starts.
const (
	EventsFD = 3 // where its events go
	LockFD   = 4 // the lock of the directory
	VTEPFD   = 5 // and what follows: the VTEP's sockets, in a lab with remotes
)

// downTime is how long a lab may take to end before it is killed.
const downTime = 10 * time.Second

// Up starts a lab from a checked topology. source is the file's text. It tells
// report each step, and returns when the lab is up; whatever was made is gone
// again when it fails.
func Up(ctx context.Context, t *topology.Topology, source []byte, report func(step string)) (err error) {
	if err := netns.TUNUsable(); err != nil {
		return err
	}
	if err := Permitted(ctx, t); err != nil {
		return err
	}
	d, err := dirOf(t.Name)
	if err != nil {
		return err
	}
	lock, err := d.lock()
	if errors.Is(err, errHeld) {
		return ctl.Conflict("lab %q is running already (weft lab down %s, or weft lab apply)", t.Name, t.Name)
	}
	if err != nil {
		return fmt.Errorf("lab directory: %w", err)
	}
	defer lock.Close() // the daemon keeps it
	defer func() {
		if err != nil {
			err = errors.Join(err, d.clear())
		}
	}()
	sockets, err := bindVTEP(t)
	if err != nil {
		return err
	}
	defer sockets.Close() // the daemon has its own of them
	if err := d.prepare(t, source); err != nil {
		return err
	}
	return d.start(ctx, lock, sockets, report)
}

// Permitted looks whether this machine has what the nodes need.
func Permitted(ctx context.Context, t *topology.Topology) error {
	if err := containersPermitted(ctx, t); err != nil {
		return err
	}
	for i := range t.Nodes {
		switch n := &t.Nodes[i]; n.Kind {
		case topology.VM:
			if _, err := exec.LookPath(QEMU); err != nil && !n.Manual {
				return ctl.Failed("node %s: there is no %s (apt-get install qemu-system-x86), or say manual: true and start one yourself", n.Name, QEMU)
			}
		case topology.Host, topology.Router, topology.Switch, topology.Container, topology.Remote:
		}
	}
	return nil
}

// prepare removes what a killed lab left and writes what the daemon reads.
func (d Dir) prepare(t *topology.Topology, source []byte) error {
	if err := d.removeContainers(); err != nil {
		return err
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(d.File(e.Name())); err != nil {
			return err
		}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(d.File(TopologyFile), text, 0o600), os.WriteFile(d.File(SourceFile), source, 0o600))
}

// start runs the daemon in namespaces of its own, and listens to it until the
// lab is up.
func (d Dir) start(ctx context.Context, lock *os.File, sockets tunnel.Sockets, report func(string)) error {
	log, err := os.OpenFile(d.File(LogFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	events, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer events.Close()
	cmd := exec.Command("/proc/self/exe", "lab", "daemon", string(d))
	cmd.Args[0] = "weft"
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = append([]*os.File{w, lock}, sockets...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // a Ctrl-C in the terminal is not the lab's
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("namespaces are not permitted here (%w); %s", err, netns.HowToAllow())
	}
	up := make(chan error, 1)
	go func() { up <- d.listen(events, report) }()
	select {
	case err = <-up:
	case <-ctx.Done():
		err = errors.New("interrupted; what was made is gone again")
	}
	if err == nil {
		err = os.WriteFile(d.File(pidFile), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
	}
	if err != nil {
		_ = cmd.Process.Kill() // with it goes all that it made
		_ = cmd.Wait()
		return err
	}
	return cmd.Process.Release()
}

// listen gives the daemon's steps to report until it is ready or fails.
func (d Dir) listen(events io.Reader, report func(string)) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("the lab's daemon: %w", err)
		}
		switch {
		case e.Error != "":
			return errors.New(e.Error)
		case e.Ready:
			return nil
		default:
			report(e.Step)
		}
	}
	return fmt.Errorf("the lab's daemon ended: %s", d.lastWords())
}

// lastWords is the end of the log.
func (d Dir) lastWords() string {
	text, err := os.ReadFile(d.File(LogFile))
	if err != nil || len(text) == 0 {
		return "it said nothing"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}

// Down ends a lab and removes what it has left, which is all that is there to
// do for a dead one.
func Down(ctx context.Context, name string) error {
	d, err := dirOf(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(d)); err != nil {
		return ctl.NotFound("there is no lab %q (see \"weft lab ls\")", name)
	}
	lock, err := d.lock()
	if errors.Is(err, errHeld) {
		lock, err = d.end(ctx)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return d.clear()
}

// end asks the daemon to end, kills one that does not, and takes the lock.
func (d Dir) end(ctx context.Context) (*os.File, error) {
	c := Dial(d)
	defer c.Close()
	asked, cancel := context.WithTimeout(ctx, downTime)
	defer cancel()
	_ = c.Down(asked) // the answer may not make it out of a process that ends
	if lock, err := d.awaitLock(downTime); err == nil {
		return lock, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pid := d.pid()
	if pid == 0 {
		return nil, ctl.Failed("lab %s does not answer and its process is unknown (see %s)", d.Name(), d.File(LogFile))
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return nil, fmt.Errorf("end lab %s: %w", d.Name(), err)
	}
	return d.awaitLock(downTime)
}
