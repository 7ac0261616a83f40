package impair

import (
	"math"
	"math/rand/v2"
)

// dice decides by chance what happens to each frame. Every condition throws
// dice of its own, once a frame, so that what one decides for the n-th frame
// does not depend on the others.
type dice struct {
	loss                        lossModel
	duplicate, reorder, corrupt coin
	jitter                      jitterModel
	bit                         *rand.Rand // which bit is inverted
}

func newDice(s Spec) dice {
	seed := s.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	// The second word of a PCG's seed is which condition it is for.
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	return dice{
		loss:      newLossModel(s, source(1)),
		duplicate: coin{float64(s.Duplicate), source(2)},
		reorder:   coin{float64(s.Reorder), source(3)},
		corrupt:   coin{float64(s.Corrupt), source(4)},
		jitter:    newJitterModel(s, source(5)),
		bit:       source(6),
	}
}

// coin comes up heads with a probability.
type coin struct {
	share float64
	rnd   *rand.Rand
}

func (c *coin) heads() bool { return c.share != 0 && c.rnd.Float64() < c.share }

// lossModel is the simple Gilbert model: a chain of two states, of which the
// bad one loses every frame. Independent losses are the special case in which
// both states lead to the bad one with the same probability.
type lossModel struct {
	bad          bool
	toBad, toOK  float64
	rnd          *rand.Rand
	losesNothing bool
}

func newLossModel(s Spec, rnd *rand.Rand) lossModel {
	loss := float64(s.Loss)
	m := lossModel{toBad: loss, toOK: 1 - loss, rnd: rnd, losesNothing: loss == 0}
	if s.Burst != 0 && loss < 1 {
		m.toOK = 1 / s.Burst
		m.toBad = loss * m.toOK / (1 - loss)
		m.bad = rnd.Float64() < loss // in the long run's state from the start
	}
	return m
}

func (m *lossModel) lost() bool {
	if m.losesNothing {
		return false
	}
	switch u := m.rnd.Float64(); {
	case m.bad:
		m.bad = u >= m.toOK
	default:
		m.bad = u < m.toBad
	}
	return m.bad
}

// jitterModel gives the deviation from the delay in nanoseconds; its mean is 0.
type jitterModel struct {
	dist   Distribution
	jitter float64
	most   float64 // of a deviation to either side
	rnd    *rand.Rand
}

func newJitterModel(s Spec, rnd *rand.Rand) jitterModel {
	return jitterModel{dist: s.Distribution, jitter: float64(s.Jitter), most: float64(s.Delay), rnd: rnd}
}

// A Pareto distribution of shape 3 and minimum 1 has the mean 3/2 and the
// variance 3/4. 3 is the smallest whole shape with a variance at all.
const (
	paretoShape = 3
	paretoMean  = 1.5
)

var paretoDeviation = math.Sqrt(0.75)

func (m *jitterModel) next() int64 {
	if m.jitter == 0 {
		return 0
	}
	var x float64
	switch m.dist {
	case Normal:
		x = m.rnd.NormFloat64() * m.jitter
		// To both sides alike, so that the mean stays.
		x = max(-m.most, min(m.most, x))
	case Pareto:
		// 1-u is in (0, 1], so that the power is finite.
		p := math.Pow(1-m.rnd.Float64(), -1.0/paretoShape)
		x = (p - paretoMean) / paretoDeviation * m.jitter
		// The tail has no end; past this it is an outage, not jitter.
		x = min(x, maxParetoDeviations*m.jitter)
	default:
		x = (2*m.rnd.Float64() - 1) * m.jitter
	}
	return int64(x)
}

// maxParetoDeviations cuts the tail where one frame in about a million is: the
// mean moves by less than a ten-thousandth of the jitter.
const maxParetoDeviations = 100
