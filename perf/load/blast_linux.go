package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// learnWithin is for the stations to see each other: time enough for a
	// device that has just been started.
	learnWithin = 5 * time.Second
	// learnEvery is how often a station speaks until it is heard, pollEvery
	// how often the counters are asked whether it was.
	learnEvery = 20 * time.Millisecond
	pollEvery  = 500 * time.Microsecond
	// readEvery is what the counters ask for.
	readEvery = 50 * time.Millisecond
	// quiet ends the wait for frames in flight, when none came for so long.
	// RFC 2544 section 23 waits 2 s after every trial; no queue here holds
	// frames for as long as this, and a search makes a hundred trials.
	quiet       = 100 * time.Millisecond
	settleEvery = 5 * time.Millisecond
)

// trials numbers all that is sent, so that a late frame is not taken for one
// of the next trial.
var trials atomic.Uint32

// Load is a blast that goes on until it is stopped, whatever its Duration says.
type Load struct {
	b        Blast
	senders  [2][]*sender // the second empty when one way
	counters [2][]*counter
	ended    chan struct{} // closed when the senders are done
	failed   error         // by a sender; read after ended
}

// StartLoad starts a load in the background, for instance at half the PDR
// while [RTT] measures. With a Duration it ends by itself; 0 is until Stop.
// The context is for the start alone. Stop it in any case.
func StartLoad(ctx context.Context, b Blast) (*Load, error) {
	check := b
	if check.Duration == 0 {
		check.Duration = 1 // any will do
	}
	if err := check.validate(); err != nil {
		return nil, err
	}
	l := &Load{b: b, ended: make(chan struct{})}
	trial := trials.Add(1)
	directions := 1
	if b.Bidirectional {
		directions = 2
	}
	err := l.open(directions, trial)
	if err == nil && !b.known {
		err = l.learn(ctx, trial)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.start()
	return l, nil
}

// open makes the sockets, side by side: the kernel has each of them wait for
// all processors (synchronize_net). Counters come first: no frame is missed.
func (l *Load) open(directions int, trial uint32) error {
	var counters, senders sidebyside
	for d := range directions {
		ways := l.b.pairs()
		if d == 1 {
			for i, p := range ways {
				ways[i] = Pair{p.To, p.From}
			}
		}
		l.counters[d] = make([]*counter, len(ways))
		for i, w := range ways {
			counted := slices.ContainsFunc(ways[:i], func(o Pair) bool {
				return o.To.Host == w.To.Host && o.To.IfName == w.To.IfName
			})
			if counted { // with the first pair that ends there
				continue
			}
			counters.do(func() (err error) {
				l.counters[d][i], err = newCounter(w.To, station(w.To.MAC), trial, l.b.FrameLen, true)
				return err
			})
		}
		l.senders[d] = make([]*sender, max(l.b.Senders, 1))
		for nth := range l.senders[d] {
			senders.do(func() (err error) {
				l.senders[d][nth], err = l.newSender(ways, trial, nth)
				return err
			})
		}
	}
	err := errors.Join(counters.wait(), senders.wait())
	for d := range l.counters {
		l.counters[d] = slices.DeleteFunc(l.counters[d], func(c *counter) bool { return c == nil })
	}
	return err
}

// sidebyside does things at the same time.
type sidebyside struct {
	all  sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (s *sidebyside) do(f func() error) {
	s.all.Go(func() {
		if err := f(); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errs = append(s.errs, err)
		}
	})
}

// wait gives the first error, of all that may be the same.
func (s *sidebyside) wait() error {
	s.all.Wait()
	if len(s.errs) > 0 {
		return s.errs[0]
	}
	return nil
}

// newSender makes the nth of a direction's senders. Also with an error it is
// to be closed.
func (l *Load) newSender(ways []Pair, trial uint32, nth int) (*sender, error) {
	senders, flows := uint64(max(l.b.Senders, 1)), uint64(max(l.b.Flows, 1))
	s := &sender{rate: l.b.Rate / float64(senders)}
	for _, w := range ways {
		o, err := newOutlet(w.From, l.b.FrameLen, func(f []byte) {
			buildFrame(f, station(w.From.MAC), station(w.To.MAC), w.From.Addr, w.To.Addr, trial)
		})
		if err != nil {
			return s, err
		}
		o.stamp = func(f []byte, n uint64) {
			n = n*senders + uint64(nth)
			setNumber(f, n, uint16(n%flows))
		}
		s.outlets = append(s.outlets, o)
	}
	return s, nil
}

// learn makes every station known on the way that its frames will be sent.
func (l *Load) learn(ctx context.Context, trial uint32) error {
	var pairs sidebyside
	for _, p := range l.b.pairs() {
		pairs.do(func() error {
			// The last to speak is To, whose place every frame then asks for.
			for _, way := range []Pair{p, {p.To, p.From}} {
				if err := awaitPath(ctx, way.From, way.To, ^trial); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return pairs.wait()
}

// awaitPath sends a frame from station to station until one arrives.
func awaitPath(ctx context.Context, from, to End, trial uint32) error {
	c, err := newCounter(to, station(to.MAC), trial, MinFrameLen, false)
	if err != nil {
		return err
	}
	defer c.close()
	o, err := newOutlet(from, MinFrameLen, func(f []byte) {
		buildFrame(f, station(from.MAC), station(to.MAC), from.Addr, to.Addr, trial)
	})
	if err != nil {
		return err
	}
	defer o.close()
	for end := time.Now().Add(learnWithin); time.Now().Before(end); {
		if _, err := o.send(1); err != nil {
			return err
		}
		for again := time.Now().Add(learnEvery); time.Now().Before(again); {
			if err := pause(ctx, pollEvery); err != nil {
				return err
			}
			if n, err := c.read(); n != 0 || err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: none from %s:%s to %s:%s within %v",
		ErrNoPath, from.Host.Name, from.IfName, to.Host.Name, to.IfName, learnWithin)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (l *Load) start() {
	all := slices.Concat(l.senders[0], l.senders[1])
	errs := make(chan error, len(all))
	for _, s := range all {
		go func() { errs <- <-onThread(punctual, func() error { return s.run(l.b.Duration) }) }()
	}
	go func() {
		defer close(l.ended)
		tick := time.NewTicker(readEvery)
		defer tick.Stop()
		for left := len(all); left > 0; {
			var err error
			select {
			case err = <-errs:
				left--
			case <-tick.C:
				_, err = l.received()
			}
			if err != nil && l.failed == nil {
				l.failed = err
				l.halt()
			}
		}
	}()
}

// halt ends the senders soon.
func (l *Load) halt() {
	for _, s := range slices.Concat(l.senders[0], l.senders[1]) {
		s.stop.Store(true)
	}
}

// received reads all counters. It is for one goroutine at a time.
func (l *Load) received() (n [2]uint64, err error) {
	for d, cs := range l.counters {
		for _, c := range cs {
			frames, err := c.read()
			if err != nil {
				return n, err
			}
			n[d] += frames
		}
	}
	return n, nil
}

// Stop ends the load, waits for frames in flight, and gives what it came to
// since it was started.
func (l *Load) Stop() (BlastResult, error) {
	defer l.close()
	l.halt()
	<-l.ended
	if l.failed != nil {
		return BlastResult{}, l.failed
	}
	var r BlastResult
	took := time.Duration(1)
	for d, ss := range l.senders {
		for _, s := range ss {
			r.Sent[d] += s.sent
			r.Refused[d] += s.refused
			r.Skipped[d] += s.skipped
			r.SendLag = max(r.SendLag, s.lag)
			took = max(took, s.took)
		}
	}
	err := settled(func() (done, moved bool, err error) {
		before := r.Received
		r.Received, err = l.received()
		return r.Received == r.Sent, r.Received != before, err
	})
	r.rates(took)
	return r, err
}

// settled waits for frames in flight: until read says that all are there, or
// that nothing moved for long enough.
func settled(read func() (done, moved bool, err error)) error {
	for since := time.Now(); time.Since(since) < quiet; time.Sleep(settleEvery) {
		done, moved, err := read()
		if done || err != nil {
			return err
		}
		if moved {
			since = time.Now()
		}
	}
	return nil
}

func (l *Load) close() {
	var all sync.WaitGroup // side by side, as in open
	for d := range l.senders {
		for _, s := range l.senders[d] {
			for _, o := range s.outlets {
				all.Go(o.close)
			}
		}
		for _, c := range l.counters[d] {
			all.Go(c.close)
		}
	}
	all.Wait()
}
