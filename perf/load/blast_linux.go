package load

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// learnWithin is for the stations to see each other: time enough for a
	// device that has just been started.
	learnWithin = 5 * time.Second
	learnEvery  = 20 * time.Millisecond
	// readEvery is what the counters ask for.
	readEvery = 50 * time.Millisecond
	// quiet ends the wait for frames in flight, when none came for so long.
	// RFC 2544 section 23 waits 2 s after every trial; no queue here holds
	// frames for as long as this.
	quiet = 250 * time.Millisecond
	// timerSlack is how late, in ns, the kernel may wake the sender to save
	// power; 50 us by default (PR_SET_TIMERSLACK in prctl(2)).
	timerSlack = 1
)

// trials numbers all that is sent, so that a late frame is not taken for one
// of the next trial.
var trials atomic.Uint32

// Load is a blast that goes on until it is stopped, whatever its Duration says.
type Load struct {
	b        Blast
	senders  [2]*sender // the second nil when one way
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
	if err == nil {
		err = l.learn(ctx, trial)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.start(directions)
	return l, nil
}

// open makes the sockets. Counters come first: no frame is missed.
func (l *Load) open(directions int, trial uint32) error {
	for d := range directions {
		s := &sender{rate: l.b.Rate}
		l.senders[d] = s
		for _, p := range l.b.pairs() {
			from, to := p.From, p.To
			if d == 1 {
				from, to = to, from
			}
			c, err := newCounter(to, station(to.MAC), trial, l.b.FrameLen)
			if err != nil {
				return err
			}
			l.counters[d] = append(l.counters[d], c)
			o, err := newOutlet(from, l.b.FrameLen, func(f []byte, i int) {
				buildFrame(f, station(from.MAC), station(to.MAC), from.Addr, to.Addr, trial, i%max(l.b.Flows, 1))
			})
			if err != nil {
				return err
			}
			s.outlets = append(s.outlets, o)
		}
	}
	return nil
}

// learn makes every station known on the way that its frames will be sent.
func (l *Load) learn(ctx context.Context, trial uint32) error {
	for _, p := range l.b.pairs() {
		// The last to speak is To, whose place every frame then asks for.
		for _, way := range []Pair{p, {p.To, p.From}} {
			if err := awaitPath(ctx, way.From, way.To, ^trial); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitPath sends a frame from station to station until one arrives.
func awaitPath(ctx context.Context, from, to End, trial uint32) error {
	c, err := newCounter(to, station(to.MAC), trial, MinFrameLen)
	if err != nil {
		return err
	}
	defer c.close()
	o, err := newOutlet(from, MinFrameLen, func(f []byte, _ int) {
		buildFrame(f, station(from.MAC), station(to.MAC), from.Addr, to.Addr, trial, 0)
	})
	if err != nil {
		return err
	}
	defer o.close()
	for end := time.Now().Add(learnWithin); time.Now().Before(end); {
		if _, err := o.send(1); err != nil {
			return err
		}
		if err := pause(ctx, learnEvery); err != nil {
			return err
		}
		if n, err := c.read(); n != 0 || err != nil {
			return err
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

func (l *Load) start(directions int) {

	errs := make(chan error, directions)
	for _, s := range l.senders[:directions] {
		go func() {
			// The thread ends with the goroutine, and its timer slack with it.
			runtime.LockOSThread()
			_ = unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) // only less precise without
			errs <- s.run(l.b.Duration)
		}()
	}
	go func() {
		defer close(l.ended)
		tick := time.NewTicker(readEvery)
		defer tick.Stop()
		for left := directions; left > 0; {
			select {
			case err := <-errs:
				left--
				if err != nil && l.failed == nil {
					l.failed = err
				}
			case <-tick.C:
				if _, err := l.received(); err != nil && l.failed == nil {
					l.failed = err
				}
			}
		}
	}()
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
	for _, s := range l.senders {
		if s != nil {
			s.stop.Store(true)
		}
	}
	<-l.ended
	if l.failed != nil {
		return BlastResult{}, l.failed
	}
	var r BlastResult
	took := time.Duration(1)
	for d, s := range l.senders {
		if s == nil {
			continue
		}
		r.Sent[d], r.Refused[d], r.Skipped[d] = s.sent, s.refused, s.skipped
		r.SendLag = max(r.SendLag, s.lag)
		took = max(took, s.took)
	}
	var err error
	for since := time.Now(); time.Since(since) < quiet; time.Sleep(learnEvery) {
		before := r.Received
		if r.Received, err = l.received(); err != nil {
			return BlastResult{}, err
		}
		if r.Received == r.Sent {
			break
		}
		if r.Received != before {
			since = time.Now()
		}
	}
	r.rates(took)
	return r, nil
}

func (l *Load) close() {
	for d := range l.senders {
		if s := l.senders[d]; s != nil {
			for _, o := range s.outlets {
				o.close()
			}
		}
		for _, c := range l.counters[d] {
			c.close()
		}
	}
}
