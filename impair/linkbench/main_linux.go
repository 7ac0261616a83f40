package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weft/impair"
	"weft/internal/netns"
	"weft/internal/poll"
)

// sleepUntil is exact to some ten microseconds, which the runtime's timers are
// not.
func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // woken early it only sends early
	}
}

// newTimer gives timers as the daemon has them: of one thread for all.
func newTimer(fire func()) impair.Timer { return loop().NewTimer(fire) }

var loop = sync.OnceValue(func() *poll.Loop {
	l, err := poll.NewLoop(poll.Options{})
	if err != nil {
		fail(err)
	}
	go func() { fail(l.Run()) }() // it ends with the process
	return l
})

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
