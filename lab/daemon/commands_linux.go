package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"weft/lab/space"
	"weft/lab/topology"
)

// lastBytes is how much of a log is shown in an error, in bytes.
const lastBytes = 400

// tail is the end of a log, in one line.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return "it said nothing"
	}
	return lastOf(text)
}

func lastOf(text []byte) string {
	text = bytes.TrimSpace(text[max(0, len(text)-lastBytes):])
	return strings.Join(strings.Fields(string(text)), " ")
}

// environment is what a command in a node gets.
func (l *Lab) environment(node string, base []string) []string {
	env := append(withPath(base, l.dir.File(binDir)), "WEFT_LAB="+l.topologyName(), "WEFT_NODE="+node)
	n := l.current().Node(node)
	if n == nil {
		return env
	}
	socket := l.dir.File("switch.sock")
	if n.Kind == topology.Router {
		socket = l.dir.RouterSocket(node)
	}
	return append(append(env, "WEFT_SOCKET="+socket), n.Env...)
}

func (l *Lab) topologyName() string { return l.dir.Name() }

// binDir holds this program under the name of weft, so that it is found in
// nodes whatever it is called outside, and wherever that is.
const binDir = "bin"

func (l *Lab) mountProgram() error {
	path := l.dir.File(binDir + "/weft")
	self, err := os.Executable()
	if err == nil {
		err = os.Mkdir(l.dir.File(binDir), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, nil, 0o700)
	}
	if err == nil {
		err = unix.Mount(self, path, "", unix.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("mount weft in the lab: %w", err)
	}
	return nil
}

// withPath gives an environment whose PATH has dir first, and at its end what an
// ordinary user's lacks: who is root in a lab wants sysctl and bridge.
func withPath(env []string, dir string) []string {
	dirs := []string{dir}
	env = slices.Clone(env)
	at := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") })
	if at < 0 {
		at, env = len(env), append(env, "")
	} else {
		dirs = append(dirs, filepath.SplitList(strings.TrimPrefix(env[at], "PATH="))...)
	}
	for _, d := range filepath.SplitList(space.SystemPath) {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	env[at] = "PATH=" + strings.Join(dirs, string(filepath.ListSeparator))
	return env
}

// runExecs runs the commands that nodes did not have before: all of a new
// node's, of others the lines that are new. A node's are run one after the
// other, those of different nodes at the same time.
func (a *applier) runExecs() {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards changes
	told := false
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		lines := a.newLines(n)
		if len(lines) == 0 || a.spaceOf(n.Name) == nil {
			continue
		}
		if !told {
			a.step("commands in nodes")
			told = true
		}
		wg.Go(func() {
			for _, line := range lines {
				err := a.execLine(n, line)
				mu.Lock()
				a.note(actAdd, "exec", n.Name+": "+oneLine(line), err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// newLines are the lines of a node's exec that are to be run.
func (a *applier) newLines(n *topology.Node) []string {
	if !a.stays(n.Name) {
		return n.Exec
	}
	before := a.old.Node(n.Name).Exec
	return slices.DeleteFunc(slices.Clone(n.Exec), func(line string) bool { return slices.Contains(before, line) })
}

// oneLine is how a command is shown in a list.
func oneLine(command string) string {
	first, _, more := strings.Cut(strings.TrimSpace(command), "\n")
	if more {
		first += " ..."
	}
	return first
}

// execLine runs one line of a node's exec with the shell.
func (l *Lab) execLine(n *topology.Node, line string) error {
	if n.Kind == topology.Container {
		return l.execInContainer(n, line)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	// A file and not a pipe: what the command leaves in the background may
	// keep it open.
	out, err := os.CreateTemp(string(l.dir), "exec-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }()
	p, err := l.processes.Start(space.Command{
		Space: l.spaceOf(n.Name), Args: []string{"/bin/sh", "-c", line}, Dir: "/",
		Env:   l.environment(n.Name, os.Environ()),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
	})
	if err != nil {
		return err
	}
	<-p.Done()
	if code := p.ExitCode(); code != 0 {
		text, err := io.ReadAll(io.NewSectionReader(out, 0, 1<<20))
		return errors.Join(fmt.Errorf("exec %q: exit code %d: %s", line, code, lastOf(text)), err)
	}
	return nil
}
