package poll

import (
	"testing"
	"time"
)

// frames has n frames come, each so long after the one before, and tells how
// much of that time the reader spent looking.
func frames(s *Spinner, n int, gap time.Duration, now *time.Duration) (part float64) {
	const try = time.Microsecond
	var looking time.Duration
	for range n {
		comes := *now + gap
		for *now < comes && s.Again(*now) {
			*now += try
			looking += try
		}
		*now = max(*now, comes)
		if s.Pausing() {
			s.Found(*now)
		}
	}
	return float64(looking) / float64(time.Duration(n)*gap)
}

func TestHowMuchItLooks(t *testing.T) {
	for _, c := range []struct {
		gap         time.Duration
		least, most float64
	}{
		{10 * time.Microsecond, 1, 1},
		{80 * time.Microsecond, 1, 1},
		{time.Millisecond, 0, 0},
		{time.Second, 0, 0},
	} {
		var s Spinner
		var now time.Duration
		frames(&s, 100, c.gap, &now)
		if part := frames(&s, 10000, c.gap, &now); part < c.least || part > c.most {
			t.Errorf("frames every %v: looks for %.3f of the time, want %v to %v", c.gap, part, c.least, c.most)
		}
	}
}

// Frames that come in pairs are no reason to look for the next pair.
func TestPairsOfFrames(t *testing.T) {
	var s Spinner
	var now time.Duration
	frames(&s, 100, time.Millisecond, &now)
	for range 1000 {
		part := frames(&s, 1, 2*time.Millisecond, &now)
		if part > 0 {
			t.Fatalf("looks for %.3f of the time", part)
		}
		frames(&s, 1, 5*time.Microsecond, &now)
	}
}

func TestItLooksAgainWhenFramesComeSoonAgain(t *testing.T) {
	var s Spinner
	var now time.Duration
	frames(&s, 1000, time.Second, &now)
	const soon = 60 * time.Microsecond // as when everybody sleeps
	frames(&s, 30, soon, &now)
	if part := frames(&s, 10, soon, &now); part < 1 {
		t.Errorf("looks for %.3f of the time", part)
	}
}

func TestALookIsBounded(t *testing.T) {
	var s Spinner
	if !s.Again(0) || !s.Again(shortLook-1) || s.Again(shortLook) {
		t.Errorf("does not look for %v at first", shortLook)
	}
	s = Spinner{usual: worth - 1}
	if !s.Again(0) || !s.Again(longLook-1) || s.Again(longLook) {
		t.Errorf("does not look for %v at most", longLook)
	}
}
