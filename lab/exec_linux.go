package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// ExecOptions is how a command in a node is connected.
type ExecOptions struct {
	Node string
	Args []string
	Env  []string // besides this process's own
	// TTY gives the command a terminal, which is that of In and Out.
	TTY     bool
	In      *os.File
	Out     *os.File
	Err     *os.File
	Signals bool // pass SIGINT and the like on
	Detach  bool // do not wait for the command's end
}

// Exec runs a command in a node and gives its exit code, 0 of one that is left
// to itself.
func Exec(ctx context.Context, d Dir, o ExecOptions) (code int, err error) {
	// Before the command can be there: what is sent to it while it starts is
	// not lost.
	var signals <-chan os.Signal
	if o.Signals {
		var stop func()
		signals, stop = catchSignals(o.TTY)
		defer stop()
	}
	if d.IsContainer(o.Node) {
		return execInContainer(ctx, d, o, signals)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.File(ExecName))
	if err != nil {
		return 0, fmt.Errorf("lab %s does not answer: %w", d.Name(), err)
	}
	defer conn.Close()
	c := conn.(*net.UnixConn)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	var oob []byte
	if !o.TTY {
		oob = unix.UnixRights(int(o.In.Fd()), int(o.Out.Fd()), int(o.Err.Fd()))
	}
	if _, _, err := c.WriteMsgUnix([]byte{0}, oob, nil); err != nil {
		return 0, err
	}
	r := ExecRequest{Node: o.Node, Args: o.Args, Env: append(os.Environ(), o.Env...), Dir: dir, TTY: o.TTY, Detach: o.Detach}
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	master, err := started(c)
	if err != nil {
		return 0, err
	}
	if o.Signals {
		go passSignals(c, signals)
	}
	if master != nil {
		defer master.Close()
		finish, err := terminal(master, o.In, o.Out)
		if err != nil {
			return 0, err
		}
		defer finish()
	}
	var result ExecResult
	if err := json.NewDecoder(c).Decode(&result); err != nil {
		return 0, fmt.Errorf("lab %s went away: %w", d.Name(), err)
	}
	if result.Error != "" {
		return 0, errors.New(result.Error)
	}
	return result.ExitCode, nil
}

// started waits for the octet that says so, and gives the terminal that may
// come with it.
func started(c *net.UnixConn) (*os.File, error) {
	files, err := ReceiveFiles(c, 1)
	if err != nil {
		return nil, fmt.Errorf("the lab's daemon went away: %w", err)
	}
	if len(files) == 0 {
		return nil, nil
	}
	return files[0], nil
}

// ReceiveFiles reads an octet and makes files of the descriptors that come with
// it, of which there may be most.
func ReceiveFiles(c *net.UnixConn, most int) (files []*os.File, err error) {
	one, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4*most))
	_, n, _, _, err := c.ReadMsgUnix(one, oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("descriptors: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

// catchSignals takes what the user sends this process for the command. With a
// terminal the keys for that go through it.
func catchSignals(tty bool) (caught <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 8)
	list := []os.Signal{unix.SIGTERM, unix.SIGHUP}
	if !tty {
		list = append(list, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	}
	signal.Notify(signals, list...)
	return signals, func() {
		signal.Stop(signals)
		close(signals)
	}
}

// passSignals hands on what was caught, until the channel is closed.
func passSignals(c io.Writer, caught <-chan os.Signal) {
	for s := range caught {
		if s, ok := s.(unix.Signal); ok {
			_ = json.NewEncoder(c).Encode(ExecSignal{int(s)})
		}
	}
}
