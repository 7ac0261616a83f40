package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"weft/frame"
)

// A request of VDE's switches, version 3, as libvdeplug sends it, in the order of
// bytes and with the sockaddr_un (unix(7)) of Linux:
//
//	0          4          8        12                  122
//	| magic    | version  | type   | address of client | description ...
//
// The answer is the address of the switch's end, which the client connects to.
// Each frame is a datagram then. The connection of the request stays, and says
// with its end that the client has gone.
const (
	vdeMagic   = 0xfeedface
	vdeVersion = 3
	vdeAddress = 12      // where it begins in the request, in bytes
	addressLen = 2 + 108 // sa_family_t and sun_path

	// vdeRequestMax is a request with a long description.
	vdeRequestMax = 512
	// vdeTime is how long a client may take to send its request, which it does
	// at once.
	vdeTime = 5 * time.Second
)

// Plug is the port of a VDE client. When its Rx fails it is of no use any more
// and is to be closed.
type Plug struct {
	*Dgram
	control net.Conn
	rx      plugRx
	closing atomic.Bool // by Close, not by the peer
	running sync.WaitGroup
}

// Rx is the receive queue. It fails with [ErrPeerClosed] when the client goes.
func (p *Plug) Rx() Rx { return &p.rx }

// Close hangs up.
func (p *Plug) Close() error {
	p.closing.Store(true)
	err := p.control.Close()
	p.running.Wait()
	return err
}

// watch closes the port when the client does.
func (p *Plug) watch() {
	_, _ = io.Copy(io.Discard, p.control)
	_ = p.Dgram.Close()
}

type plugRx struct {
	Rx
	plug *Plug
}

func (r *plugRx) ReadBatch(b *frame.Batch) error {
	err := r.Rx.ReadBatch(b)
	if errors.Is(err, os.ErrClosed) && !r.plug.closing.Load() {
		return ErrPeerClosed
	}
	return err
}

// AcceptVDE waits for the next VDE client, until ctx ends, and makes it a port.
// bind makes the switch's end: an unconnected datagram socket with the path
// that it gives.
func (l *Listener) AcceptVDE(ctx context.Context, bind func() (c PacketConn, path string, err error)) (*Plug, error) {
	select {
	case c := <-l.next:
		p, err := plug(c, bind)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("a VDE client: %w", err), c.Close())
		}
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func plug(c net.Conn, bind func() (PacketConn, string, error)) (*Plug, error) {
	if err := c.SetDeadline(time.Now().Add(vdeTime)); err != nil {
		return nil, err
	}
	request := make([]byte, vdeRequestMax)
	n, err := io.ReadAtLeast(c, request, vdeAddress+addressLen)
	if err != nil {
		return nil, fmt.Errorf("its request: %w", err)
	}
	peer, err := vdePeer(request[:n])
	if err != nil {
		return nil, err
	}
	data, path, err := bind()
	if err != nil {
		return nil, err
	}
	// Connected before the client knows: it removes its path next, and takes
	// nothing from anybody else.
	err = connectUnix(data, peer)
	if err == nil {
		_, err = c.Write(vdeAddressOf(path))
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	var d *Dgram
	if err == nil {
		d, err = NewDgram(data, "")
	}
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	p := &Plug{Dgram: d, control: c}
	p.rx = plugRx{d.Rx(), p}
	p.running.Go(p.watch)
	return p, nil
}

// vdePeer reads where the client has its frames sent.
func vdePeer(request []byte) (path string, err error) {
	if len(request) < vdeAddress+addressLen || binary.NativeEndian.Uint32(request) != vdeMagic {
		return "", errors.New("it does not speak VDE")
	}
	if v := binary.NativeEndian.Uint32(request[4:]); v != vdeVersion {
		return "", fmt.Errorf("it speaks version %d of VDE's protocol (want %d)", v, vdeVersion)
	}
	a := request[vdeAddress:][:addressLen]
	path, _, _ = strings.Cut(string(a[2:]), "\x00")
	if binary.NativeEndian.Uint16(a) != syscall.AF_UNIX || !strings.HasPrefix(path, "/") {
		return "", errors.New("it gives no path to send its frames to")
	}
	return path, nil
}

// vdeAddressOf is a sockaddr_un.
func vdeAddressOf(path string) []byte {
	a := make([]byte, addressLen)
	binary.NativeEndian.PutUint16(a, syscall.AF_UNIX)
	copy(a[2:], path)
	return a
}

func connectUnix(c PacketConn, path string) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cerr error
	err = raw.Control(func(fd uintptr) { cerr = connectPath(fd, path) })
	if err = errors.Join(err, cerr); err != nil {
		return fmt.Errorf("connect to %s: %w", path, err)
	}
	return nil
}
