package node

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"weft/tap"
)

// TestNoteOffloads: what the kernel refuses TAPs is one line, however many
// there are; what the configuration turned off is none.
func TestNoteOffloads(t *testing.T) {
	all := tap.Features{Checksum: true, TSO: true, USO: true}
	for _, c := range []struct {
		name   string
		config tap.Config
		got    tap.Features
		lines  int
	}{
		{"all there", tap.Config{}, all, 0},
		{"no USO", tap.Config{}, tap.Features{Checksum: true, TSO: true}, 1},
		{"none", tap.Config{}, tap.Features{}, 1},
		{"turned off", tap.Config{NoOffload: true}, tap.Features{}, 0},
		{"portable", tap.Config{Backend: tap.Portable}, tap.Features{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			n := &Node{log: zerolog.New(&log)}
			for range 3 {
				n.noteOffloads(c.config, c.got)
			}
			if got := strings.Count(log.String(), "\n"); got != c.lines {
				t.Errorf("%d lines, want %d:\n%s", got, c.lines, log.String())
			}
		})
	}
}
