package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Pair is two clients with traffic between them.
type Pair struct{ From, To End }

// Blast is one trial: frames of one size at one rate for a time, counted where
// they arrive (RFC 2544 section 26.1, one trial of it).
//
// A frame is UDP over IPv4, checksum zero, from a station of its own at From to
// one at To: their MACs are the interfaces' with a bit changed, so that the
// client's kernel drops a frame as soon as it is counted. Before the trial each
// station sends until the other sees it, so nothing is flooded (RFC 2544
// section 23).
//
// It does not measure delay, order or damage; a duplicate counts as received.
type Blast struct {
	From, To End
	// More are further pairs that send at the same time; the rate is shared
	// by all in turn.
	More []Pair
	// FrameLen is the length of a frame in bytes without the FCS: 60 for what
	// RFC 2544 calls 64. At least [MinFrameLen].
	FrameLen int
	// Rate is in frames a second and direction, over all pairs together.
	Rate     float64
	Duration time.Duration
	// Bidirectional sends from To to From as well, at the same rate.
	Bidirectional bool
	// Flows is how many UDP source ports the frames of a pair take in turn;
	// 0 is 1. Devices spread load by flow.
	Flows int
	// Senders is how many threads send, in each direction, and share its
	// rate; 0 is 1. What is done on the thread that sends, as the kernel's
	// own bridge and VXLAN device do everything, uses that many CPUs, as the
	// queues of a network card would.
	Senders int

	// known: the stations have seen each other, a moment ago.
	known bool
}

// BlastResult is what a trial came to. Index 0 is From to To, 1 the way back.
type BlastResult struct {
	// Sent counts the frames offered, with those the interface refused because
	// the device's queue was full: a wire would have carried them there.
	Sent, Received [2]uint64
	Refused        [2]uint64
	// OfferedRate is in frames a second and direction, as it was; the slower
	// of two directions.
	OfferedRate float64
	// ReceivedRate is in frames a second and direction; the lower of two.
	ReceivedRate float64
	// Loss is the share of Sent that did not arrive, 0 to 1, over both
	// directions. RFC 2544 section 26.3.
	Loss float64
	// SendLag is by how much the generator was late at worst.
	SendLag time.Duration
	// Skipped is how many frames it left out because it was too late for
	// them; they are not in Sent, and OfferedRate is lower for them.
	Skipped [2]uint64
}

// KeptPace says whether the generator offered the rate it was asked for, to 2 %.
func (r *BlastResult) KeptPace(rate float64) bool { return r.OfferedRate >= 0.98*rate }

const (
	// MinFrameLen is the shortest frame of Ethernet without its FCS.
	MinFrameLen = 60
	// maxFrameLen is what an IPv4 packet can be, with the Ethernet header.
	maxFrameLen = 65535 + 14
	// maxSenders is more threads than are of use anywhere.
	maxSenders = 64
)

func (b *Blast) validate() error {
	switch {
	case b.FrameLen < MinFrameLen || b.FrameLen > maxFrameLen:
		return fmt.Errorf("frame length %d: must be %d to %d bytes", b.FrameLen, MinFrameLen, maxFrameLen)
	case !(b.Rate > 0) || math.IsInf(b.Rate, 0):
		return fmt.Errorf("rate %v: must be above 0 frames/s", b.Rate)
	case b.Duration <= 0:
		return fmt.Errorf("duration %v: must be above 0", b.Duration)
	case b.Flows < 0 || b.Flows > maxFlows:
		return fmt.Errorf("%d flows: must be 0 to %d", b.Flows, maxFlows)
	}
	if b.Senders < 0 || b.Senders > maxSenders {
		return fmt.Errorf("%d senders: must be 0 to %d", b.Senders, maxSenders)
	}
	for _, p := range b.pairs() {
		for _, e := range []End{p.From, p.To} {
			if e.Host == nil || len(e.MAC) != 6 || !e.Addr.Unmap().Is4() {
				return fmt.Errorf("client %q: needs a host, a MAC and an IPv4 address", e.IfName)
			}
		}
	}
	return nil
}

func (b *Blast) pairs() []Pair { return append([]Pair{{b.From, b.To}}, b.More...) }

// Run does the trial. An error is about the tester: loss is a result.
func (b Blast) Run(ctx context.Context) (BlastResult, error) {
	if err := b.validate(); err != nil { // a load may be without end, a trial not
		return BlastResult{}, err
	}
	l, err := StartLoad(ctx, b)
	if err != nil {
		return BlastResult{}, err
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
	}
	r, err := l.Stop()
	return r, errors.Join(err, ctx.Err())
}

// rates fills in what follows from the counts.
func (r *BlastResult) rates(took time.Duration) {
	var sent, lost uint64
	for d := range r.Sent {
		if r.Sent[d] == 0 {
			continue
		}
		sent += r.Sent[d]
		if r.Received[d] < r.Sent[d] { // a duplicate does not make up for a loss the other way
			lost += r.Sent[d] - r.Received[d]
		}
		offered := float64(r.Sent[d]) / took.Seconds()
		received := float64(r.Received[d]) / took.Seconds()
		if r.OfferedRate == 0 || offered < r.OfferedRate {
			r.OfferedRate = offered
		}
		if r.ReceivedRate == 0 || received < r.ReceivedRate {
			r.ReceivedRate = received
		}
	}
	if sent != 0 {
		r.Loss = float64(lost) / float64(sent)
	}
}
