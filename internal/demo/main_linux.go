package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"weft/internal/netns"
)

func main() {
	code, err := netns.Enter()
	if err != nil && !errors.Is(err, netns.ErrInside) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	if err == nil {
		os.Exit(code)
	}
	// The process is alone in its namespaces from here on, and the first in
	// its process namespace: when it ends the kernel ends the daemons.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err = run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if interrupted {
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted; nothing is left behind")
		os.Exit(130)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) != 2 {
		return errors.New("usage: demo PATH-OF-WEFT")
	}
	weft, err := filepath.Abs(os.Args[1])
	if err != nil {
		return err
	}
	if err := netns.TUNUsable(); err != nil {
		return err
	}
	s, err := build(weft)
	if err != nil {
		return err
	}
	for _, scene := range []func(context.Context) error{
		s.startDaemons, s.joinHosts, s.ping, s.showTables, s.measure, s.showPorts, s.leave,
	} {
		if err := scene(ctx); err != nil {
			if ctx.Err() == nil {
				s.showLogs()
			}
			return err
		}
	}
	return nil
}
