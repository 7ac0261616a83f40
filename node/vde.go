package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"weft/ctl"
	"weft/internal/unixsock"
	"weft/stream"
	vswitch "weft/switch"
)

// What VDE's clients expect in a switch's directory, and what they are told.
const (
	vdeControl = "ctl"
	vdeData    = "data"
	// vdeMode lets the owner and the group in, as the sockets do: a client
	// makes its own socket in the directory.
	vdeMode = 0o770
)

// vdeSource waits for the VDE client of a port.
type vdeSource struct {
	*listenSource
	dir  string
	made bool // the directory, by this source
}

func newVDESource(s ctl.PortSpec, log zerolog.Logger) (*vdeSource, error) {
	e := endsOf(s)
	v := &vdeSource{dir: e.listen.Address}
	switch err := os.Mkdir(v.dir, vdeMode); {
	case err == nil:
		v.made = true
		// Past the umask, which is about files that nobody thought of.
		err = os.Chmod(v.dir, vdeMode)
		if err != nil {
			return nil, errors.Join(err, os.Remove(v.dir))
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, endError("listen on", e.listen, err)
	}
	l, err := unixsock.Listen(filepath.Join(v.dir, vdeControl))
	if err != nil {
		return nil, errors.Join(endError("listen on", e.listen, err), v.tidy())
	}
	v.listenSource = &listenSource{e, stream.NewListener(l, func() {
		log.Warn().Stringer("listen", e.listen).Msg("a second client was refused: the port has one")
	})}
	v.listener.Start()
	return v, nil
}

func (s *vdeSource) open(ctx context.Context) (device, error) {
	p, err := s.listener.AcceptVDE(ctx, func() (stream.PacketConn, string, error) {
		path := filepath.Join(s.dir, vdeData)
		c, err := unixsock.ListenPacket(path)
		if err != nil {
			return nil, "", err // and not a nil of its type
		}
		return c, path, nil
	})
	if err != nil {
		return nil, err
	}
	return plugDevice{p}, nil
}

func (s *vdeSource) close() error { return errors.Join(s.listenSource.close(), s.tidy()) }

// tidy removes the directory, unless it was there before or something of
// somebody else's is in it.
func (s *vdeSource) tidy() error {
	if !s.made {
		return nil
	}
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the directory: %w", err)
	}
	return nil
}

// plugDevice is a client.
type plugDevice struct{ *stream.Plug }

func (d plugDevice) Rx() vswitch.Rx { return d.Plug.Rx() }
func (plugDevice) LinkDown() string { return "" }
