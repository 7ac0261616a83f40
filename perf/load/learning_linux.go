package load

import (
	"context"
	"errors"
)

// Run does one trial.
func (l Learning) Run(ctx context.Context) (r LearningResult, err error) {
	if err := l.validate(); err != nil {
		return r, err
	}
	if l.TestRate == 0 {
		l.TestRate = defaultTestRate
	}
	if l.Reset != nil {
		if err := l.Reset(ctx); err != nil {
			return r, err
		}
	}
	trial := trials.Add(1)
	// The tester is known where the learner's frames go, or they would be
	// flooded.
	for _, way := range []Pair{{l.Learner, l.Tester}, {l.Tester, l.Learner}} {
		if err := awaitPath(ctx, way.From, way.To, ^trial); err != nil {
			return r, err
		}
	}
	tester := station(l.Tester.MAC)
	show, err := newOutlet(l.Learner, MinFrameLen, func(f []byte) {
		buildFrame(f, nil, tester, anyAddress, anyAddress, trial)
	})
	if err != nil {
		return r, err
	}
	defer show.close()
	show.stamp = func(f []byte, n uint64) { addressOf(f[6:12], trial, n) }
	if r.Rate, err = l.send(ctx, show, l.Rate, watch{l.Tester, trial, &r.Shown}); err != nil {
		return r, err
	}
	asking := trials.Add(1)
	ask, err := newOutlet(l.Tester, MinFrameLen, func(f []byte) {
		buildFrame(f, tester, nil, anyAddress, anyAddress, asking)
	})
	if err != nil {
		return r, err
	}
	defer ask.close()
	ask.stamp = func(f []byte, n uint64) { addressOf(f[0:6], trial, n) }
	_, err = l.send(ctx, ask, l.TestRate, watch{l.Learner, asking, &r.Delivered}, watch{l.Monitor, asking, &r.Flooded})
	return r, err
}

// watch is a port where frames of a trial are counted, to whatever station.
type watch struct {
	at    End
	trial uint32
	count *int
}

// send sends one frame for each address and gives the rate in frames a second.
func (l *Learning) send(ctx context.Context, o *outlet, rate float64, watches ...watch) (float64, error) {
	counters := make([]*counter, len(watches))
	for i, w := range watches {
		c, err := newCounter(w.at, nil, w.trial, MinFrameLen, true)
		if err != nil {
			return 0, err
		}
		defer c.close()
		counters[i] = c
	}
	s := &sender{outlets: []*outlet{o}, rate: rate, frames: uint64(l.Addresses)}
	stop := context.AfterFunc(ctx, func() { s.stop.Store(true) })
	defer stop()
	if err := <-onThread(punctual, func() error { return s.run(0) }); err != nil {
		return 0, err
	}
	err := settled(func() (done, moved bool, err error) {
		for i, c := range counters {
			n, rerr := c.read()
			moved = moved || int(n) != *watches[i].count
			*watches[i].count = int(n)
			err = errors.Join(err, rerr)
		}
		return false, moved, err
	})
	return float64(s.sent) / s.took.Seconds(), errors.Join(err, ctx.Err())
}
