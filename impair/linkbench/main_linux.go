package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"weft/internal/netns"
)

// sleepUntil is exact to some ten microseconds, which the runtime's timers are
// not.
func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // woken early it only sends early
	}
}

func main() {
	code, err := netns.Enter()
	if err == nil {
		os.Exit(code)
	}
	if !errors.Is(err, netns.ErrInside) {
		fail(err)
	}
	if len(os.Args) < 2 {
		fail(errors.New("usage: linkbench PATH-OF-WEFT [memory|daemon]"))
	}
	parts := []struct {
		name string
		run  func() error
	}{{"memory", inMemory}, {"daemon", func() error { return throughDaemon(os.Args[1]) }}}
	for _, p := range parts {
		if len(os.Args) > 2 && os.Args[2] != p.name {
			continue
		}
		if err := p.run(); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "linkbench:", err)
	os.Exit(1)
}
