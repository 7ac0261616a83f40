package netnstest

import (
	"testing"
	"time"
)

// pollEvery is short against anything a test waits for and long against what
// a condition costs.
const pollEvery = 5 * time.Millisecond

// Poll waits until ok gives true and fails the test after the deadline.
func Poll(t testing.TB, within time.Duration, ok func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(pollEvery) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}
