// Package config reads weft.yaml, the description of a whole daemon, into a
// [ctl.Config]. What is wrong is reported with file, line and key, and nothing
// is half read.
//
// # Concurrency
//
// The functions may be called from any goroutine.
package config

import (
	"errors"

	"weft/ctl"
)

// Load reads the file.
func Load(path string) (ctl.Config, error) {
	return ctl.Config{}, errors.New("not yet")
}
