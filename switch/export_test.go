package vswitch

import "weft/fib"

// TooBigAnswer is for a fuzz target that gives it bytes a port never would.
var TooBigAnswer = tooBigAnswer

// Tick is what the switch's clock shows, to somebody who does not ask for the
// time.
func (s *Switch) Tick() fib.Tick { return fib.Tick(s.clock.tick.Load()) }
