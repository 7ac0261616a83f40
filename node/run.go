package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"weft/ctl"
)

// shutdownTime is how long requests that are being answered may take when the
// daemon stops.
const shutdownTime = 2 * time.Second

// Options is what a daemon is started with.
type Options struct {
	Config     ctl.Config
	SocketPath string
	Version    string
	LogLevel   string // debug, info, warn or error; "" is info
	LogJSON    bool
	LogTo      io.Writer
}

// Run is the daemon: it starts what the configuration says, answers on the
// control socket, and returns when ctx ends and everything is put back.
func Run(ctx context.Context, o Options) (err error) {
	log, err := newLogger(o)
	if err != nil {
		return err
	}
	listener, err := ctl.Listen(o.SocketPath)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := listener.Close(); err == nil {
			err = cerr
		}
	}()
	n, err := New(o.Config, o.Version, log)
	if err != nil {
		return err
	}
	defer n.Close()
	n.prioritize()
	if err := n.configure(ctx, o.Config); err != nil {
		return err
	}

	server := ctl.NewServer(n, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info().Str("name", n.name).Str("vtep", n.vtepText()).Str("socket", o.SocketPath).Msg("ready")
	select {
	case err := <-served:
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	log.Info().Msg("stopping")
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err = server.Shutdown(deadline)
	if serr := <-served; serr != nil && err == nil {
		err = serr
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // a client that holds its connection does not keep the daemon
	}
	return err
}

// configure applies the configuration that the daemon starts with. A port whose
// namespace is not there is reported and comes later; what the system refuses
// is an error.
func (n *Node) configure(ctx context.Context, c ctl.Config) error {
	changes, err := n.Apply(ctx, c)
	if err != nil {
		return err
	}
	for _, ch := range changes {
		if ch.Error != "" {
			return errors.New(ch.Error)
		}
	}
	return nil
}

func newLogger(o Options) (zerolog.Logger, error) {
	level := zerolog.InfoLevel
	if o.LogLevel != "" {
		var err error
		if level, err = zerolog.ParseLevel(o.LogLevel); err != nil {
			return zerolog.Nop(), fmt.Errorf("log level %q: want debug, info, warn or error", o.LogLevel)
		}
	}
	zerolog.TimeFieldFormat = time.RFC3339Nano // the default has no milliseconds
	w := o.LogTo
	if !o.LogJSON {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000", NoColor: !isTerminal(o.LogTo)}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}
