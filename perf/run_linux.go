package perf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"weft/internal/netns"
)

// Run compares, and prints. It runs this program again inside namespaces, so
// that whatever calls it comes here twice and must not have done anything
// before. An interrupt ends the comparison; what is done by then is printed.
func Run(ctx context.Context, o Options) error {
	if err := o.normalize(); err != nil {
		return err
	}
	switch code, err := netns.Enter(); {
	case errors.Is(err, netns.ErrInside):
	case err != nil:
		return err
	case code != 0:
		return ErrReported
	default:
		return nil
	}
	if err := netns.TUNUsable(); err != nil {
		return err
	}
	if err := congestionUsable(o.Congestion); err != nil {
		return err
	}
	// The terminal interrupts this process and the one outside, which passes
	// it on: twice is not "at once".
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(again)

	c, err := newComparison(ctx, o)
	if err != nil {
		return err
	}
	if err := c.interleave(ctx); err != nil {
		return err
	}
	if err := c.publish(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(o.Stderr, "interrupted; nothing is left behind")
		return ErrReported
	}
	return c.verdict()
}

// verdict is an error when a measurement of weft failed. That another system
// does not manage something is a result; a line says so.
func (c *comparison) verdict() error {
	own, others := 0, 0
	for _, p := range c.result.Problems {
		if slices.ContainsFunc(c.systems, func(s *system) bool { return s.weft && s.Name == p.System }) {
			own++
		} else {
			others++
		}
	}
	if others > 0 {
		fmt.Fprintf(c.o.Stderr, "%d measurements of other systems failed; the rest holds\n", others)
	}
	if own > 0 {
		return fmt.Errorf("%d measurements of weft failed", own)
	}
	return nil
}

// congestionUsable tries whether TCP connections can have a congestion control.
func congestionUsable(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name); err != nil {
		here, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
		return fmt.Errorf("TCP congestion control %q: %w; this kernel has: %s (--congestion NAME)", name, err, strings.TrimSpace(string(here)))
	}
	return nil
}

// publish prints what was measured and writes it where it was asked for.
func (c *comparison) publish() error {
	if err := c.print(c.o.Stdout); err != nil {
		return err
	}
	if c.o.Out == "" {
		return nil
	}
	if err := os.MkdirAll(c.o.Out, 0o755); err != nil {
		return err
	}
	return c.result.Save(filepath.Join(c.o.Out, ResultsFile))
}

func (c *comparison) print(w io.Writer) error {
	if c.o.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(c.result)
	}
	return c.result.Table(w)
}
