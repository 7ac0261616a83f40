package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// insideEnv marks the process that runs inside; its value is the number
	// of the descriptor on which it reports whether that worked.
	insideEnv = "WEFT_NETNS_INSIDE"
	reportFD  = 3
)

// ErrInside is what [Enter] returns to the process that runs inside.
var ErrInside = errors.New("inside the namespaces")

// Enter runs this program again, with the same arguments, inside namespaces of
// its own and gives the exit code of that run. In that run it returns
// [ErrInside] at once. Another error says that namespaces are not permitted
// and what to change. Signals are passed on, and the inner run is killed when
// this process dies. Call it before anything else.
func Enter() (code int, err error) {
	if Inside() {
		return 0, ErrInside
	}
	if os.Getenv(nextEnv) != "" {
		return 0, arrive()
	}
	// PR_SET_PDEATHSIG is bound to the thread that forks, so that one must
	// stay as long as the process.
	runtime.LockOSThread()

	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWNET
	attempts := []uintptr{flags | unix.CLONE_NEWPID, flags}
	if os.Geteuid() != 0 {
		for i := range attempts {
			attempts[i] |= unix.CLONE_NEWUSER
		}
	}
	// A fresh /proc is refused where parts of the present one are hidden, as
	// in many containers. Then go without a process namespace.
	for _, f := range attempts {
		if code, err = reexec(f); err == nil {
			return code, nil
		}
	}
	return 0, fmt.Errorf("namespaces are not permitted here (%w); %s", err, HowToAllow())
}

// Inside says whether this process is the inner run of [Enter].
func Inside() bool { return os.Getenv(insideEnv) != "" }

// nextEnv marks the process that is to prepare the namespaces it was born in.
const nextEnv = "WEFT_NETNS_PREPARE"

// reexec runs this program in the namespaces that the flags ask for. An error
// means that it did not get as far as running.
func reexec(flags uintptr) (code int, err error) {
	report, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("pipe: %w", err)
	}
	defer report.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), nextEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w} // becomes reportFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}

	// From here on a signal is for the inner run to act on.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	defer signal.Stop(signals)

	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended just now
		}
	}()
	trouble, _ := io.ReadAll(report)
	err = cmd.Wait()
	if len(trouble) != 0 {
		return 0, errors.New(string(trouble))
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// arrive is the first thing the inner run does: it prepares the namespaces and
// reports. On failure it does not return, the outer process then decides.
func arrive() error {
	report := os.NewFile(reportFD, "report")
	if err := prepare(); err != nil {
		fmt.Fprint(report, err)
		os.Exit(1)
	}
	report.Close()
	os.Unsetenv(nextEnv)
	os.Setenv(insideEnv, "1")
	return ErrInside
}

// prepare cuts the mounts off from the machine's, puts empty directories over
// /run, shows the processes of this namespace in /proc, and brings lo up.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs on /run: %w", err)
	}
	if os.Getpid() == 1 {
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	// What is put in temporary directories goes with /run too.
	const tmp = "/run/tmp"
	if err := os.Mkdir(tmp, 0o1777); err != nil {
		return err
	}
	os.Setenv("TMPDIR", tmp)

	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// TUNUsable tries the device that TAPs are made with. An error says what to
// change.
func TUNUsable() error {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	hint := "as root: chmod 0666 " + path
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		hint = "as root: modprobe tun; mkdir -p /dev/net; mknod -m 0666 " + path + " c 10 200 (in a container: --device " + path + ")"
	}
	return fmt.Errorf("%s cannot be opened (%w); %s", path, err, hint)
}

// HowToAllow names the settings that are known to forbid namespaces and are
// set so on this machine.
func HowToAllow() string {
	var hints []string
	for _, s := range []struct{ path, bad, good string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if v, err := os.ReadFile(s.path); err == nil && strings.TrimSpace(string(v)) == s.bad {
			hints = append(hints, s.good)
		}
	}
	if len(hints) == 0 {
		return "run as root, or in a container with --privileged"
	}
	return "as root: " + strings.Join(hints, "; ")
}
