//go:build !linux

package perf

import (
	"context"
	"errors"
)

// Run compares, on Linux.
func Run(context.Context, Options) error { return errors.New("namespaces exist on Linux only") }
