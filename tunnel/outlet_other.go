//go:build !linux

package tunnel

import (
	"errors"

	"weft/frame"
)

// outlet is for Linux: see outlet_linux.go.
type outlet struct{}

var errNoOutlet = errors.New("only on Linux")

func (*outlet) open(*VTEP) error { return errNoOutlet }
func (*outlet) close() error     { return nil }

type wholeSender struct{}

func (*wholeSender) send(*outlet, int, *outer, *frame.Buf) error { return errNoOutlet }
