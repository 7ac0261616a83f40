//go:build !linux

package main

import (
	"fmt"
	"os"
	"time"

	"weft/impair"
)

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func newTimer(fire func()) impair.Timer { return impair.NewRuntimeTimer(fire) }

func main() {
	if err := inMemory(); err != nil {
		fmt.Fprintln(os.Stderr, "linkbench:", err)
		os.Exit(1)
	}
}
