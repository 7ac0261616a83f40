package impair

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weft/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrival is a frame that came out of a link.
type arrival struct {
	number uint64 // that numbered wrote into it
	data   []byte
	gso    frame.GSO
	at     time.Time
}

// sink is a port that remembers what it is given.
type sink struct {
	mu  sync.Mutex
	got []arrival
}

func (s *sink) NewTx() Tx { return s }

func (s *sink) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bufs {
		data := append([]byte(nil), b.Head()...)
		a := arrival{data: data, gso: b.Offload.GSO, at: time.Now()}
		if len(data) >= 22 {
			a.number = binary.BigEndian.Uint64(data[14:])
		}
		s.got = append(s.got, a)
		t.Sent(b)
	}
}

func (s *sink) take() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// source is a queue that gives the batches that are sent to it.
type source struct {
	batches chan []*frame.Buf
	closed  chan struct{}
}

func newSource() *source { return &source{make(chan []*frame.Buf), make(chan struct{})} }

func (s *source) ReadBatch(b *frame.Batch) error {
	b.Reset()
	select {
	case bufs := <-s.batches:
		for _, in := range bufs {
			*b.Next() = *in
		}
		return nil
	case <-s.closed:
		return os.ErrClosed
	}
}

// numbered is an ordinary frame that carries a number.
func numbered(n uint64, size int) *frame.Buf {
	mem := make([]byte, frame.Headroom+max(size, 60))
	binary.BigEndian.PutUint64(mem[frame.Headroom+14:], n)
	b := new(frame.Buf)
	b.Set(mem, frame.Headroom)
	return b
}

// bubble makes the clock the test's own: t runs in a synctest bubble.
func bubble(t *testing.T) {
	t.Helper()
	real := epoch
	epoch = time.Now()
	t.Cleanup(func() { epoch = real })
}

// outbound starts a link to a sink with the runtime's timers, which a bubble
// can turn.
func outbound(t *testing.T, s Spec) (*Outbound, *sink) {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	to := new(sink)
	return NewOutbound(to, s, NewRuntimeTimer), to
}

// specOf reads pairs of a key and its text.
func specOf(t testing.TB, pairs ...string) Spec {
	t.Helper()
	var s Spec
	for i := 0; i < len(pairs); i += 2 {
		if err := s.Set(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
