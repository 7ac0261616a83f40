package poll

import (
	"testing"
	"time"
)

// frames has n frames come, each so long after the one before, and tells how
// much time the reader spent looking.
func frames(s *Spinner, n int, gap time.Duration, now *time.Duration) (looking time.Duration) {
	const try = time.Microsecond
	for range n {
		comes := *now + gap
		for *now < comes && s.Again(*now) {
			*now += try
			looking += try
		}
		*now = max(*now, comes)
		if s.Active() {
			s.Found()
		}
	}
	return looking
}

func TestSeldomFramesCostLittle(t *testing.T) {
	var s Spinner
	var now time.Duration
	const n = 20000
	if cost := frames(&s, n, time.Millisecond, &now); cost > n*time.Millisecond/1000 {
		t.Errorf("looked for %v of %v", cost, n*time.Millisecond)
	}
}

func TestFramesThatComeSoonKeepItLooking(t *testing.T) {
	var s Spinner
	var now time.Duration
	const n, gap = 10000, 20 * time.Microsecond
	if cost := frames(&s, n, gap, &now); cost < n*gap {
		t.Errorf("looked for %v of %v", cost, n*gap)
	}
}

func TestItLooksAgainWhenFramesComeSoonAgain(t *testing.T) {
	var s Spinner
	var now time.Duration
	frames(&s, 20000, time.Millisecond, &now)
	frames(&s, longestRest+1, 20*time.Microsecond, &now)
	if cost := frames(&s, credit, 20*time.Microsecond, &now); cost == 0 {
		t.Error("never looks again")
	}
}

func TestALookIsBounded(t *testing.T) {
	var s Spinner
	if !s.Again(0) || !s.Again(lookFor-1) || s.Again(lookFor) {
		t.Errorf("does not look for %v", lookFor)
	}
}
