package poll

import "time"

const (
	// lookFor is how long a look lasts at most: a little longer than it takes
	// to be woken on a virtual machine (20 to 40 us). Longer looks keep the
	// processor from those who would send: measured in docs/adr/0006.
	lookFor = 50 * time.Microsecond

	// credit is how many looks a reader has once a look has found something.
	// One that finds nothing costs several.
	credit, failure = 64, 8

	// Without credit the reader sleeps this many times before it looks once
	// more, twice as many each time that its looks were in vain. At a thousand
	// frames a second the most costs one part in twenty thousand of a
	// processor.
	firstRest, longestRest = 16, 1024
)

// Spinner is the state of one reader. The zero value is ready.
type Spinner struct {
	since  time.Duration // of the look that is under way
	active bool
	credit int
	rest   int // how many sleeps were the last rest
	asleep int // how many of them are left
}

// Again is asked after a try that found nothing, with the time by a monotonic
// clock. True is to try again at once, false to sleep.
func (s *Spinner) Again(now time.Duration) bool {
	switch {
	case s.active && now-s.since < lookFor:
		return true
	case s.active:
		s.active = false
		if s.credit -= failure; s.credit <= 0 {
			s.sleep(2 * s.rest)
		}
		return false
	case s.asleep > 0:
		s.asleep--
		return false
	}
	s.active, s.since = true, now
	return true
}

// Active reports whether a look is under way, which Found ends.
func (s *Spinner) Active() bool { return s.active }

// Found is told, while Active, that a try found something.
func (s *Spinner) Found() { s.active, s.credit, s.rest = false, credit, 0 }

// sleep begins a rest.
func (s *Spinner) sleep(times int) {
	s.credit = 0
	s.rest = min(max(times, firstRest), longestRest)
	s.asleep = s.rest
}
