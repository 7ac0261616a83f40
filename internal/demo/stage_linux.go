package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"weft/internal/netns"
)

// side is one of the two hosts with the client behind it.
type side struct {
	name, vtep     string // of the daemon, and its address on the underlay
	client         string // name of the client's namespace
	address        string // of the client, in the network that weft makes
	socket         string
	host, clientNS *netns.Host
	daemon         *exec.Cmd
	log            bytes.Buffer // what the daemon said
	ended          chan error
}

// stage is all of it.
type stage struct {
	weft string // path of the binary
	a, b *side
	ink  ink
}

const picture = `
      web1                                                      web2
   10.77.0.1  ......... one Ethernet: "blue", VNI 42 .........  10.77.0.2
       |                                                         |
     [ TAP ]                                                  [ TAP ]
     weft "a"  10.99.0.1 ========== VXLAN / UDP ========== 10.99.0.2  weft "b"
      host A                                                   host B
`

// build makes the hosts and the wire between them. They go with the process.
func build(weft string) (*stage, error) {
	if _, err := os.Stat(weft); err != nil {
		return nil, fmt.Errorf("%w (make build)", err)
	}
	s := &stage{
		weft: weft,
		a:    &side{name: "a", vtep: "10.99.0.1", client: "web1", address: "10.77.0.1"},
		b:    &side{name: "b", vtep: "10.99.0.2", client: "web2", address: "10.77.0.2"},
		ink:  newInk(),
	}
	s.ink.title("Two hosts, a wire between them, and a namespace on each that is connected to nothing")
	fmt.Print(picture)
	var ends []netns.End
	for _, d := range []*side{s.a, s.b} {
		d.socket = filepath.Join("/run", "weft-"+d.name+".sock")
		var err error
		if d.host, err = netns.OpenHost("host-" + d.name); err != nil {
			return nil, err
		}
		if d.clientNS, err = netns.OpenHost(d.client); err != nil {
			return nil, err
		}
		ends = append(ends, netns.End{Host: d.host, IfName: "eth0", Addresses: []string{d.vtep + "/24"}})
	}
	return s, netns.Cable(ends[0], ends[1], netns.DefaultMTU)
}

// weftAt runs a weft command on a host, shows it as a user would type it, and
// what it says.
func (s *stage) weftAt(ctx context.Context, d *side, args ...string) error {
	s.ink.command(d.name, args...)
	out, err := d.command(ctx, s.weft, args...)
	fmt.Print(out)
	if err != nil {
		return fmt.Errorf("on %s: weft %s: %w", d.name, strings.Join(args, " "), err)
	}
	return nil
}

func (d *side) command(ctx context.Context, weft string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, weft, args...)
	cmd.Env = append(os.Environ(), "WEFT_SOCKET="+d.socket)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := d.host.Start(cmd); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return out.String(), err
}

// start starts the daemon of a side and waits until it answers.
func (s *stage) start(ctx context.Context, d *side) error {
	args := []string{"run", "--name", d.name, "--vtep", d.vtep}
	s.ink.command(d.name, append(args, "&")...)
	d.daemon = exec.Command(s.weft, args...)
	d.daemon.Env = append(os.Environ(), "WEFT_SOCKET="+d.socket)
	d.daemon.Stdout, d.daemon.Stderr = &d.log, &d.log
	if err := d.host.Start(d.daemon); err != nil {
		return fmt.Errorf("start the daemon of %s: %w", d.name, err)
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.daemon.Wait() }()

	const within = 5 * time.Second
	deadline := time.After(within)
	for {
		out, err := d.command(ctx, s.weft, "status")
		if err == nil {
			return nil
		}
		select {
		case err := <-d.ended:
			d.daemon = nil
			return fmt.Errorf("the daemon of %s ended: %w", d.name, err)
		case <-deadline:
			return fmt.Errorf("the daemon of %s does not answer after %v: %s", d.name, within, out)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the daemon of a side to end and makes it end.
func (d *side) stop() error {
	const within = 5 * time.Second
	if d.daemon == nil {
		return nil
	}
	p := d.daemon.Process
	d.daemon = nil
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-d.ended:
		if err != nil {
			return fmt.Errorf("the daemon of %s ended with %w", d.name, err)
		}
		return nil
	case <-time.After(within):
		_ = p.Kill()
		return fmt.Errorf("the daemon of %s was still there %v after SIGTERM; killed: %w", d.name, within, <-d.ended)
	}
}

// showLogs prints what the daemons said, for when something went wrong. It
// ends them first, since they write until they end.
func (s *stage) showLogs() {
	for _, d := range []*side{s.a, s.b} {
		if err := d.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if d.log.Len() > 0 {
			fmt.Fprintf(os.Stderr, "\nthe daemon of %s said:\n%s\n", d.name, d.log.String())
		}
	}
}

var errLeft = errors.New("something was left behind")
