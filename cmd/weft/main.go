// Command weft is the daemon and the command line that controls it. It holds
// commands only: what they do is in node (the daemon) and ctl (its API).
package main

import (
	"context"
	"os"

	"weft/node"
)

func main() {
	os.Exit(execute(os.Args[1:], runDaemon))
}

func runDaemon(ctx context.Context, o RunOptions) error {
	return node.Run(ctx, node.Options{
		Config: o.Config, SocketPath: o.SocketPath, Version: o.Version,
		LogLevel: o.LogLevel, LogJSON: o.LogJSON, LogTo: os.Stderr,
	})
}
