package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Exec is a command to run in a container.
type Exec struct {
	Args []string
	Env  []string
	TTY  bool
	// Detach leaves it running and gives nothing of it back.
	Detach bool
}

// Process is a command that runs in a container, with a connection to its
// standard input and output.
type Process struct {
	client *Client
	id     string
	tty    bool
	conn   net.Conn
	in     *bufio.Reader // what it says
}

// Exec starts a command in a container.
func (c *Client) Exec(ctx context.Context, container string, e Exec) (*Process, error) {
	var made struct{ ID string }
	err := c.call(ctx, "POST", "/containers/"+container+"/exec", struct {
		AttachStdin, AttachStdout, AttachStderr, Tty bool

		Cmd []string
		Env []string
	}{!e.Detach, !e.Detach, !e.Detach, e.TTY, e.Args, e.Env}, &made)
	if err != nil {
		return nil, err
	}
	p := &Process{client: c, id: made.ID, tty: e.TTY}
	start := struct{ Detach, Tty bool }{e.Detach, e.TTY}
	if e.Detach {
		return p, c.call(ctx, "POST", "/exec/"+p.id+"/start", start, nil)
	}
	return p, p.attach(ctx, start)
}

// attach makes the connection of a request that of the command.
func (p *Process) attach(ctx context.Context, start any) error {
	r, err := request(ctx, "POST", "/exec/"+p.id+"/start", start)
	if err != nil {
		return err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "tcp")
	if p.conn, err = p.client.dial(ctx); err != nil {
		return err
	}
	p.in = bufio.NewReader(p.conn)
	err = r.Write(p.conn)
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(p.in, r)
	}
	// Engines before upgrades were a thing of HTTP say 200.
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols && answer.StatusCode != http.StatusOK {
		err = read(answer, nil)
		if err == nil {
			err = fmt.Errorf("the engine answers %s", answer.Status)
		}
	}
	if err != nil {
		p.Close()
	}
	return err
}

// Close lets go of the connection. With a terminal the command is hung up.
func (p *Process) Close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

// Write writes to the command's standard input.
func (p *Process) Write(b []byte) (int, error) { return p.conn.Write(b) }

// CloseWrite ends the command's standard input.
func (p *Process) CloseWrite() error {
	c, ok := p.conn.(*net.UnixConn)
	if !ok {
		return errors.New("not a Unix connection")
	}
	return c.CloseWrite()
}

// The streams of a command without a terminal come in pieces behind a header
// of 8 octets: which one it is, three zeros, and the length.
const (
	pieceHeader  = 8
	standardErr  = 2
	pieceLenFrom = 4
)

// Copy gives out and err what the command says, until it ends.
func (p *Process) Copy(out, errOut io.Writer) error {
	if p.tty {
		_, err := io.Copy(out, p.in)
		return err
	}
	var header [pieceHeader]byte
	for {
		if _, err := io.ReadFull(p.in, header[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		to := out
		if header[0] == standardErr {
			to = errOut
		}
		if _, err := io.CopyN(to, p.in, int64(binary.BigEndian.Uint32(header[pieceLenFrom:]))); err != nil {
			return err
		}
	}
}

// Resize tells the size of the terminal.
func (p *Process) Resize(ctx context.Context, rows, columns int) error {
	return p.client.call(ctx, "POST", "/exec/"+p.id+"/resize?h="+strconv.Itoa(rows)+"&w="+strconv.Itoa(columns), nil, nil)
}

// State asks how the command is.
func (p *Process) State(ctx context.Context) (State, error) {
	var answer struct {
		Running  bool
		Pid      int
		ExitCode *int
	}
	err := p.client.call(ctx, "GET", "/exec/"+p.id+"/json", nil, &answer)
	s := State{Running: answer.Running, PID: answer.Pid}
	if answer.ExitCode != nil {
		s.ExitCode = *answer.ExitCode
	}
	return s, err
}
