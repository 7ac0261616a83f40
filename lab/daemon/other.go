//go:build !linux

package daemon

import (
	"errors"

	"weft/lab"
)

// Run is for Linux.
func Run(lab.Dir, string) error { return errors.New("labs need Linux") }

// Join is for Linux alone.
func Join(string) error { return errors.New("labs need Linux") }
