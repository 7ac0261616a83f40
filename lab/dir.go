package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"weft/ctl"
)

// The files in a lab's directory.
const (
	TopologyFile = "topology.json" // as it was last applied
	SourceFile   = "lab.yaml"      // the file that `up` or `apply` was given
	LogFile      = "log"
	HostsFile    = "hosts"
	ControlName  = "lab.sock"    // the lab's own API
	ExecName     = "exec.sock"   // commands in nodes
	SwitchName   = "switch.sock" // ctl's API, of the daemon's own switch
	EngineFile   = "engine"      // the socket of the engine that has its containers
	pidFile      = "pid"
	lockFile     = "lock"
)

// Dir is a lab's directory.
type Dir string

// Name is the lab's.
func (d Dir) Name() string { return filepath.Base(string(d)) }

// File is the path of a file in it.
func (d Dir) File(name string) string { return filepath.Join(string(d), name) }

// RouterSocket is where the router of that name answers ctl's API.
func (d Dir) RouterSocket(node string) string { return d.File(node + ".sock") }

// RouterFile is what the router of that name is started with.
func (d Dir) RouterFile(node string) string { return d.File(node + ".weft.yaml") }

// Console is the socket of a virtual machine's serial console.
func (d Dir) Console(node string) string { return d.File(node + ".tty") }

// QEMU is the program that runs virtual machines.
const QEMU = "qemu-system-x86_64"

// base is where the user's labs are: beside the socket of a daemon. A user
// whose session made no XDG_RUNTIME_DIR gets the directory that sessions make,
// or one of their own in the directory for temporary files.
func base() (string, error) {
	if socket := ctl.DefaultSocket(); socket != "" {
		return filepath.Join(filepath.Dir(socket), "lab"), nil
	}
	uid := strconv.Itoa(os.Geteuid())
	if run := filepath.Join("/run/user", uid); ownDir(run) == nil {
		return filepath.Join(run, "weft/lab"), nil
	}
	dir := filepath.Join(os.TempDir(), "weft-"+uid)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	// Whoever else made it could read what is typed in a lab.
	if err := ownDir(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, "lab"), nil
}

// dirOf is the directory of the lab of that name.
func dirOf(name string) (Dir, error) {
	b, err := base()
	if err != nil {
		return "", err
	}
	return Dir(filepath.Join(b, name)), nil
}

// Summary is one row of `weft lab ls`.
type Summary struct {
	Name  string `json:"name"`
	State string `json:"state"` // up, dead
	PID   int    `json:"pid"`   // 0 when dead
	Dir   string `json:"dir"`
}

// The states of a lab.
const (
	StateUp   = "up"
	StateDead = "dead" // its daemon was killed
)

// List gives the user's labs by name.
func List() ([]Summary, error) {
	b, err := base()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(b)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	list := []Summary{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		d := Dir(filepath.Join(b, e.Name()))
		row := Summary{Name: e.Name(), State: StateDead, Dir: string(d)}
		if d.held() {
			row.State, row.PID = StateUp, d.pid()
		}
		list = append(list, row)
	}
	return list, nil
}

func (d Dir) pid() int {
	text, err := os.ReadFile(d.File(pidFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// Pick finds the running lab that is meant: the one named, or the only one.
func Pick(name string) (Dir, error) {
	if name != "" {
		d, err := dirOf(name)
		if err != nil {
			return "", err
		}
		if !d.held() {
			return "", ctl.NotFound("no lab %q is running (see \"weft lab ls\")", name)
		}
		return d, nil
	}
	list, err := List()
	if err != nil {
		return "", err
	}
	var up []string
	for _, s := range list {
		if s.State == StateUp {
			up = append(up, s.Name)
		}
	}
	switch len(up) {
	case 0:
		return "", ctl.NotFound("no lab is running (start one with \"weft lab up FILE\")")
	case 1:
		return dirOf(up[0])
	}
	return "", fmt.Errorf("which lab? %s are running (say --lab NAME)", strings.Join(up, ", "))
}
