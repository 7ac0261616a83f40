//go:build !linux

package main

import (
	"fmt"
	"os"
	"time"
)

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func main() {
	if err := inMemory(); err != nil {
		fmt.Fprintln(os.Stderr, "linkbench:", err)
		os.Exit(1)
	}
}
