package daemon

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"

	"weft/ctl"
	"weft/frame"
	"weft/lab"
	"weft/lab/space"
	"weft/lab/topology"
)

const (
	// defaultMemory is room for a small Linux, as QEMU's -m takes it.
	defaultMemory = "256M"
	defaultCPUs   = 1
)

// qemuArgs is the command that starts a machine, whose network cards connect to
// the sockets of its links: no TAP, and no rights.
func (l *Lab) qemuArgs(t *topology.Topology, w *wiring, n *topology.Node) []string {
	args := []string{
		lab.QEMU, "-accel", "kvm", "-accel", "tcg", // the first that works
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-m", orElse(n.Memory, defaultMemory), "-smp", strconv.Itoa(max(n.CPU, defaultCPUs)),
		"-chardev", "socket,id=console,server=on,wait=off,path=" + l.dir.Console(n.Name) + ",logfile=" + l.dir.File(n.Name+".log"),
		"-serial", "chardev:console",
	}
	if n.Image != "" {
		// What is written to the disk goes with the lab.
		args = append(args, "-drive", "if=virtio,snapshot=on,file="+strings.ReplaceAll(n.Image, ",", ",,"))
	}
	for _, option := range []struct{ name, value string }{{"-kernel", n.Kernel}, {"-initrd", n.Initrd}, {"-append", n.Append}} {
		if option.value != "" {
			args = append(args, option.name, option.value)
		}
	}
	for i, e := range endsOf(t, n) {
		socket := strings.TrimPrefix(w.sockets[e], "unix:")
		id := fmt.Sprintf("net%d", i)
		args = append(args,
			"-netdev", "stream,id="+id+",server=off,addr.type=unix,addr.path="+socket,
			"-device", "virtio-net-pci,netdev="+id+",mac="+orElse(n.Interface(e.Port).MAC, macOf(t.Name, e)))
	}
	return args
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// endsOf lists a node's link ends, in the file's order: its first network card
// is the end of its first link.
func endsOf(t *topology.Topology, n *topology.Node) (ends []topology.End) {
	for _, l := range t.Links {
		for _, e := range []topology.End{l.A, l.B} {
			if e.Node == n.Name {
				ends = append(ends, e)
			}
		}
	}
	return ends
}

// macOf is an address that stays the same, locally administered (IEEE 802-2014
// section 8.4).
func macOf(labName string, e topology.End) string {
	sum := sha256.Sum256([]byte(labName + "\x00" + e.String()))
	m := frame.MAC(sum[:6])
	m[0] = m[0]&^1 | 2
	return m.String()
}

// startVMs starts the machines that are new.
func (a *applier) startVMs() {
	for i := range a.next.Nodes {
		n := &a.next.Nodes[i]
		if n.Kind != topology.VM || n.Manual || a.stays(n.Name) {
			continue
		}
		a.step("vm %s", n.Name)
		if err := a.startVM(n); err != nil {
			a.note(actAdd, "vm", n.Name, err)
		}
	}
}

func (a *applier) startVM(n *topology.Node) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	log, err := os.OpenFile(a.dir.File(n.Name+".qemu.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p, err := a.processes.Start(space.Command{
		Args: a.qemuArgs(a.next, a.wires, n), Env: os.Environ(), Dir: "/",
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.vms[n.Name] = p
	return nil
}

// stopVM ends a machine that has gone from the file.
func (a *applier) stopVM(name string) {
	a.mu.Lock()
	p := a.vms[name]
	delete(a.vms, name)
	a.mu.Unlock()
	if p != nil {
		a.end([]*space.Process{p})
	}
}

// describeVM fills in what there is to say of a machine.
func (l *Lab) describeVM(t *topology.Topology, w *wiring, n *topology.Node, row *lab.Node) {
	row.Start = shellLine(l.qemuArgs(t, w, n))
	l.mu.Lock()
	p := l.vms[n.Name]
	l.mu.Unlock()
	if p == nil {
		row.State, row.Reason = ctl.StateWaiting, "start it yourself"
		return
	}
	row.Processes = 1
	select {
	case <-p.Done():
		row.State, row.Reason = ctl.StateDown, "QEMU ended: "+tail(l.dir.File(n.Name+".qemu.log"))
	default:
	}
}

// shellLine quotes words for a shell.
func shellLine(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%") == "" {
			out[i] = w
		} else {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
