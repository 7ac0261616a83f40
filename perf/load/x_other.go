//go:build !linux

package load

import (
	"context"
	"errors"
	"time"
)

var errLinux = errors.New("namespaces and packet sockets exist on Linux only")

// TCP is for Linux.
func TCP(context.Context, End, End, int, time.Duration) (float64, error) { return 0, errLinux }

// RTT is for Linux.
func RTT(context.Context, End, End, string, int, time.Duration) (Latency, error) {
	return Latency{}, errLinux
}

// Load is for Linux.
type Load struct{ ended chan struct{} }

// StartLoad is for Linux.
func StartLoad(context.Context, Blast) (*Load, error) { return nil, errLinux }

// Stop is for Linux.
func (*Load) Stop() (BlastResult, error) { return BlastResult{}, errLinux }

// Run is for Linux.
func (l Learning) Run(context.Context) (LearningResult, error) {
	return LearningResult{}, errors.Join(l.validate(), errLinux)
}
