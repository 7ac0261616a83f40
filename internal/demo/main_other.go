//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: network namespaces exist on Linux only")
	os.Exit(1)
}
