package daemon

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"weft/lab"
	"weft/lab/space"
	"weft/lab/topology"
)

// hangupTime is how long a command may live on when its client is gone.
const hangupTime = 2 * time.Second

// serveExec runs commands for clients, one a connection.
func (l *Lab) serveExec(s net.Listener) {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		if c, ok := conn.(*net.UnixConn); ok {
			go l.exec(c)
		}
	}
}

// exec serves one connection: descriptors, the request, signals, the result.
func (l *Lab) exec(c *net.UnixConn) {
	defer func() { _ = c.Close() }()
	files, err := lab.ReceiveFiles(c, 3)
	defer func() { closeAll(files) }()
	in := json.NewDecoder(c)
	var r lab.ExecRequest
	if err == nil {
		err = in.Decode(&r)
	}
	if err == nil && len(r.Args) == 0 {
		err = errors.New("no command")
	}
	if err == nil && !r.TTY && len(files) != 3 {
		err = errors.New("a command wants three descriptors")
	}
	var master *os.File
	if err == nil && r.TTY {
		var slave *os.File
		if master, slave, err = space.OpenPTY(); err == nil {
			closeAll(files)
			files = []*os.File{slave, slave, slave}
		}
	}
	var p *space.Process
	if err == nil {
		p, err = l.startExec(r, files)
	}
	closeAll(files)
	files = nil
	if err != nil {
		_, _, _ = c.WriteMsgUnix([]byte{0}, nil, nil)
		_ = json.NewEncoder(c).Encode(lab.ExecResult{Error: err.Error()})
		return
	}
	var rights []byte
	if master != nil {
		rights = unix.UnixRights(int(master.Fd()))
	}
	_, _, _ = c.WriteMsgUnix([]byte{0}, rights, nil)
	if master != nil {
		master.Close() // the client's alone: when it goes, the command is hung up
	}
	var result lab.ExecResult
	if !r.Detach {
		go followSignals(in, p)
		<-p.Done()
		result.ExitCode = p.ExitCode()
	}
	_ = json.NewEncoder(c).Encode(result)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a terminal's end is there three times
	}
}

func (l *Lab) startExec(r lab.ExecRequest, files []*os.File) (*space.Process, error) {
	s := l.spaceOf(r.Node)
	if s == nil {
		return nil, l.noCommands(r.Node)
	}
	if n := l.current().Node(r.Node); n != nil && n.Kind == topology.Container {
		return nil, errors.New("commands in containers are the engine's to start") // which lab.Exec asks
	}
	dir := r.Dir
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = "/"
	}
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	return l.processes.Start(space.Command{
		Space: s, Args: r.Args, Env: l.environment(r.Node, r.Env), Dir: dir, Files: fds, TTY: r.TTY,
	})
}

// followSignals gives the process the signals that the client sends, and ends
// it when the client goes.
func followSignals(in *json.Decoder, p *space.Process) {
	for {
		var s lab.ExecSignal
		if err := in.Decode(&s); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				p.Signal(unix.SIGTERM)
			}
			break
		}
		p.Signal(unix.Signal(s.Signal))
	}
	select {
	case <-p.Done():
		return
	default:
	}
	p.Signal(unix.SIGHUP)
	p.Signal(unix.SIGTERM)
	select {
	case <-p.Done():
	case <-time.After(hangupTime):
		p.Signal(unix.SIGKILL)
	}
}
