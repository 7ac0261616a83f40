package main

import (
	"errors"
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
	run(func(r *report, weft string) error { return throughDaemon(r, weft) })
}
