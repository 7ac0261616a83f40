package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"weft/internal/netns"
)

const (
	pings        = 5
	measureFor   = 3 * time.Second
	measureChunk = 256 << 10 // bytes a write: large enough that system calls do not count
)

func (s *stage) startDaemons(ctx context.Context) error {
	s.ink.title("A daemon on each host")
	for _, d := range []*side{s.a, s.b} {
		if err := s.start(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) joinHosts(ctx context.Context) error {
	s.ink.title("One network, a port into each client, and each other as peer")
	for _, d := range []*side{s.a, s.b} {
		other := s.a
		if d == s.a {
			other = s.b
		}
		for _, args := range [][]string{
			{"network", "add", "blue", "--vni", "42"},
			{"port", "add", "blue", "web", "--netns", d.client, "--as", "eth0", "--address", d.address + "/24"},
			{"peer", "add", other.vtep},
		} {
			if err := s.weftAt(ctx, d, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) ping(ctx context.Context) error {
	s.ink.title("ping from %s to %s", s.a.client, s.b.client)
	for seq := 1; seq <= pings; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		rtts, err := s.a.clientNS.Ping(s.b.address, 1, 5*time.Second)
		if err != nil {
			return err
		}
		fmt.Printf("  answer from %s: seq=%d time=%.3f ms\n", s.b.address, seq, float64(rtts[0].Microseconds())/1000)
	}
	return nil
}

func (s *stage) showTables(ctx context.Context) error {
	s.ink.title("Who is where, as each host has learned it")
	for _, d := range []*side{s.a, s.b} {
		if err := s.weftAt(ctx, d, "fdb", "ls", "blue"); err != nil {
			return err
		}
	}
	return nil
}

// measure sends on one TCP connection for a while. What arrived counts.
func (s *stage) measure(ctx context.Context) error {
	s.ink.title("One TCP connection from %s to %s, for %v", s.a.client, s.b.client, measureFor)
	var start time.Time
	var received int64
	send := func(w io.Writer) error {
		start = time.Now()
		for chunk := make([]byte, measureChunk); time.Since(start) < measureFor && ctx.Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	}
	receive := func(r io.Reader) error {
		for buf := make([]byte, measureChunk); ; {
			n, err := r.Read(buf)
			received += int64(n)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
		}
	}
	if err := netns.Transfer(s.a.clientNS, s.b.clientNS, s.b.address, measureFor+5*time.Second, send, receive); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	fmt.Printf("  %.2f Gbit/s (%d MB in %.1f s)\n", float64(received)*8/took/1e9, received/1e6, took)
	return ctx.Err()
}

func (s *stage) showPorts(ctx context.Context) error {
	s.ink.title("What went through the ports")
	for _, d := range []*side{s.a, s.b} {
		if err := s.weftAt(ctx, d, "port", "ls"); err != nil {
			return err
		}
	}
	return nil
}

// leave ends the daemons and looks whether they took everything with them.
func (s *stage) leave(context.Context) error {
	s.ink.title("SIGTERM to both daemons")
	for _, d := range []*side{s.a, s.b} {
		if err := d.stop(); err != nil {
			return err
		}
		if _, err := os.Stat(d.socket); err == nil {
			return fmt.Errorf("%w: %s", errLeft, d.socket)
		}
		if l, err := d.clientNS.Netlink().LinkByName("eth0"); err == nil {
			return fmt.Errorf("%w: %s in %s", errLeft, l.Attrs().Name, d.client)
		}
	}
	fmt.Println("  both ended; no interface and no socket is left")
	return nil
}
