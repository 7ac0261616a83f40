package poll

import "time"

const (
	// worth is the usual pause up to which a look is worth its time: a little
	// more than an exchange of a request and its response takes while everybody
	// on its way sleeps, 50 to 80 us a pause. When they look, a pause is 10 us.
	worth = 100 * time.Microsecond

	// A look lasts twice the usual pause, within these bounds. Longer looks keep
	// the processor from those who would send: docs/adr/0006 has figures.
	shortLook, longLook = 50 * time.Microsecond, worth

	// longPause is what longer pauses count as, so that one does not weigh on
	// the average for long.
	longPause = time.Millisecond

	// weight is the part of the average that the last pause makes up.
	weight = 8
)

// Spinner decides whether a reader that found nothing tries again or goes to
// sleep, by how long it had to wait lately. To be woken costs 20 to 40
// microseconds on a virtual machine, more than a frame's whole way through the
// switch; to look where frames are seldom only burns the processor. The zero
// value is ready.
type Spinner struct {
	since time.Duration // when the pause began
	pause bool          // one is under way
	usual time.Duration // the average of the last pauses
}

// Again is asked after a try that found nothing, with the time by a monotonic
// clock. True is to try again at once, false to sleep.
func (s *Spinner) Again(now time.Duration) bool {
	if !s.pause {
		s.pause, s.since = true, now
	}
	return s.Worth() && now-s.since < min(max(2*s.usual, shortLook), longLook)
}

// Worth reports whether pauses are short enough for a look to be worth its time.
func (s *Spinner) Worth() bool { return s.usual < worth }

// Pausing reports whether Again was asked since something was found.
func (s *Spinner) Pausing() bool { return s.pause }

// Found is told, while Pausing, that something was found, after a try or a sleep.
func (s *Spinner) Found(now time.Duration) {
	s.pause = false
	s.usual += (min(now-s.since, longPause) - s.usual) / weight
}
