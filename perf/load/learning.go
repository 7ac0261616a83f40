package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Learning tests how a device learns addresses, with three ports of it: after
// RFC 2889 sections 5.7 (address caching capacity) and 5.8 (address learning
// rate). Learner is the Lport there, Tester the Tport, Monitor the Mport.
//
// A trial empties the device's table with Reset, shows it Addresses source
// addresses on the learner's port, at a rate, and then sends from the tester to
// each. What the device has not learned, or not kept, it floods, and the monitor
// sees it. Frames are of [MinFrameLen].
//
// It does not measure how long an address is kept: the second part has to be
// over before the first addresses age out.
type Learning struct {
	Learner, Tester, Monitor End
	Addresses                int     // 1 to 16 million
	Rate                     float64 // of new addresses, a second
	// TestRate is that of the frames that ask, a second: what the device
	// forwards and floods without loss. 0 is 20 thousand.
	TestRate float64
	// Reset makes the device forget all addresses; nil does nothing, and then
	// those of earlier trials fill its table, too.
	Reset func(ctx context.Context) error
}

// LearningResult is what a trial came to, in frames.
type LearningResult struct {
	// Shown is how many of the addresses' frames reached the tester; a device
	// may have learned from one that it lost after.
	Shown int
	// Delivered is how many of the frames that asked reached the learner,
	// Flooded how many the monitor.
	Delivered, Flooded int
	// Rate is of new addresses, a second, as it was.
	Rate float64
}

const (
	defaultTestRate = 20e3
	maxAddresses    = 1 << 24 // what addressOf has room for
)

// Capacity searches the largest number of addresses, from lo to hi, that the
// device learns and keeps: none is flooded and all are delivered. It is good to
// 2 % and confirmed as in [PDR]; hi when that passes, 0 when lo fails.
func (l Learning) Capacity(ctx context.Context, lo, hi int, progress func(addresses int, r LearningResult)) (int, error) {
	n, _, err := find(func(addresses float64) (BlastResult, error) {
		l.Addresses = int(addresses)
		r, err := l.Run(ctx)
		if progress != nil && err == nil {
			progress(l.Addresses, r)
		}
		b := l.asBlast(r)
		b.OfferedRate = addresses // the pace is not what is searched
		return b, err
	}, 0, float64(lo), float64(hi), nil)
	return int(n), err
}

// MaxRate searches the highest rate of new addresses a second, from lo to hi,
// at which the device learns all, as [PDR] does.
func (l Learning) MaxRate(ctx context.Context, lo, hi float64, progress func(Trial)) (float64, []Trial, error) {
	return find(func(rate float64) (BlastResult, error) {
		l.Rate = rate
		r, err := l.Run(ctx)
		return l.asBlast(r), err
	}, 0, lo, hi, progress)
}

// asBlast counts an address as lost that was flooded or not delivered.
func (l *Learning) asBlast(r LearningResult) BlastResult {
	b := BlastResult{OfferedRate: r.Rate}
	b.Sent[0] = uint64(l.Addresses)
	b.Received[0] = uint64(max(min(r.Delivered, l.Addresses)-r.Flooded, 0))
	b.Loss = 1 - float64(b.Received[0])/float64(b.Sent[0])
	return b
}

func (l *Learning) validate() error {
	if l.Addresses < 1 || l.Addresses > maxAddresses {
		return fmt.Errorf("%d addresses: must be 1 to %d", l.Addresses, maxAddresses)
	}
	if l.TestRate < 0 {
		return errors.New("test rate: must not be below 0")
	}
	b := Blast{
		From: l.Learner, To: l.Tester, More: []Pair{{l.Tester, l.Monitor}},
		FrameLen: MinFrameLen, Rate: l.Rate, Duration: time.Second,
	}
	return b.validate()
}

// addressOf writes the nth source address of a trial: locally administered, and
// of no other trial nearby.
func addressOf(mac []byte, trial uint32, n uint64) {
	mac[0] = 0x02
	mac[1], mac[2] = byte(trial>>8), byte(trial)
	mac[3], mac[4], mac[5] = byte(n>>16), byte(n>>8), byte(n)
}

// anyAddress stands for the stations' IP addresses, which no switch looks at
// (RFC 5737).
var anyAddress = netip.AddrFrom4([4]byte{192, 0, 2, 1})
