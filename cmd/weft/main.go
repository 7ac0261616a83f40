// Command weft is the daemon and the command line that controls it. It holds
// commands only: what they do is in node (the daemon) and ctl (its API).
package main

import (
	"context"
	"errors"
	"os"
)

func main() {
	os.Exit(execute(os.Args[1:], runDaemon))
}

// runDaemon is replaced by node.Run.
func runDaemon(context.Context, RunOptions) error {
	return errors.New("this build has no daemon")
}
