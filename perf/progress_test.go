package perf

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgressEstimates: the second round takes what the first did, turn by
// turn.
func TestProgressEstimates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		p := newProgress(&said, 2, 3)
		for range 2 {
			for _, d := range []time.Duration{time.Minute, 3 * time.Minute} {
				p.begin("tcp", "weft")
				time.Sleep(d)
				p.end()
			}
		}
		p.begin("tcp", "weft")
		want := []string{"(1 of 6)", "(2 of 6, 5m0s left)", "(3 of 6, 8m0s left)", "(4 of 6, 7m0s left)", "round 3 of 3: tcp of weft (5 of 6, 4m0s left)"}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines:\n%s", len(lines), said.String())
		}
		for i, w := range want {
			if !strings.HasSuffix(lines[i], w) {
				t.Errorf("line %d is %q, want %q at its end", i+1, lines[i], w)
			}
		}
	})
}
