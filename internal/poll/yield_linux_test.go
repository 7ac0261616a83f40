package poll

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// Those who wait for the same processor run before yield returns.
func TestYieldLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran atomic.Bool
	go ran.Store(true)
	yield()
	if !ran.Load() {
		t.Error("a goroutine that was ready did not run")
	}
}
