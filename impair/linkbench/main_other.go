//go:build !linux

package main

import (
	"errors"
	"time"

	"weft/impair"
)

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func newTimer(fire func()) impair.Timer { return impair.NewRuntimeTimer(fire) }

func main() {
	run(func(*report, string) error { return errors.New("the daemon is measured on Linux only: --only memory") })
}
