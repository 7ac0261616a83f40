package impair

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"weft/frame"
)

// inbound reads a link from a source in a goroutine of its own.
func inbound(t *testing.T) (*Inbound, *source, *sink, chan error) {
	t.Helper()
	from, to, ended := newSource(), new(sink), make(chan error, 1)
	i := NewInbound(from)
	i.newWaker = newTimerWaker
	go func() {
		b := new(frame.Batch)
		var tally frame.Tally
		for {
			if err := i.ReadBatch(b); err != nil {
				ended <- err
				return
			}
			bufs := b.Bufs()
			for n := range bufs {
				to.WriteBatch([]*frame.Buf{&bufs[n]}, &tally)
			}
		}
	}()
	return i, from, to, ended
}

func (s *source) send(from, n uint64) {
	var bufs []*frame.Buf
	for i := range n {
		bufs = append(bufs, numbered(from+i, 60))
	}
	s.batches <- bufs
}

// Conditions come and go while the reader waits, and no frame is lost.
func TestInboundChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		i, from, to, ended := inbound(t)
		expect := func(what string, first, n uint64) {
			t.Helper()
			synctest.Wait()
			got := to.take()
			if uint64(len(got)) != n {
				t.Fatalf("%s: %d frames, want %d", what, len(got), n)
			}
			for k, a := range got {
				if a.number != first+uint64(k) {
					t.Fatalf("%s: frame %d at %d", what, a.number, k)
				}
			}
		}
		from.send(0, 5)
		expect("a perfect link", 0, 5)

		if err := i.Set(specOf(t, "delay", "10ms")); err != nil {
			t.Fatal(err)
		}
		from.send(10, 64) // what the reader was waiting for
		from.send(74, 64) // what the pump reads
		expect("before the delay is over", 0, 0)
		time.Sleep(11 * time.Millisecond)
		expect("after the delay", 10, 128)

		from.send(200, 10)
		if err := i.Set(Spec{}); err != nil {
			t.Fatal(err)
		}
		expect("when it is cleared", 200, 10)
		from.send(210, 3) // what the pump was waiting for
		expect("the pump's last", 210, 3)
		from.send(213, 3)
		expect("a perfect link again", 213, 3)
		i.line.mu.Lock()
		if i.active.Load() || i.pumping {
			t.Error("the queue is not read directly again")
		}
		i.line.mu.Unlock()

		if err := i.SetDown(true); err != nil {
			t.Fatal(err)
		}
		from.send(300, 7)
		from.send(307, 7)
		expect("down", 0, 0)
		if n := i.Stats().Drops[frame.DropLinkDown]; n != 14 {
			t.Errorf("%d dropped, want 14", n)
		}
		if err := i.SetDown(false); err != nil {
			t.Fatal(err)
		}
		from.send(400, 2)
		expect("up", 400, 2)

		if err := i.Set(specOf(t, "delay", "10s")); err != nil {
			t.Fatal(err)
		}
		from.send(500, 4)
		synctest.Wait() // the reader sleeps for ten seconds
		close(from.closed)
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
		i.Close()
		if n := i.Stats().Drops[frame.DropPortDown]; n != 4 {
			t.Errorf("%d of 4 frames on their way counted", n)
		}
	})
}

// A link that was never anything but perfect has made nothing.
func TestInboundPerfect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		i, from, to, ended := inbound(t)
		if err := errors.Join(i.Set(Spec{}), i.SetDown(false)); err != nil {
			t.Fatal(err)
		}
		from.send(0, 3)
		synctest.Wait()
		if len(to.take()) != 3 || i.active.Load() || i.line.wake != nil {
			t.Error("the link is not out of the way")
		}
		close(from.closed)
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
		i.Close()
	})
}

// fixed gives the same batch again and again.
type fixed struct{ mem []byte }

func (f *fixed) ReadBatch(b *frame.Batch) error {
	b.Reset()
	for !b.Full() {
		b.Next().Set(f.mem, frame.Headroom)
	}
	return nil
}

func BenchmarkInboundPerfect(b *testing.B) {
	rx := &fixed{make([]byte, 100)}
	batch := new(frame.Batch)
	for _, c := range []struct {
		name string
		rx   Rx
	}{{"plain", rx}, {"link", NewInbound(rx)}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.rx.ReadBatch(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// null is a port that counts alone.
type null struct{}

func (null) NewTx() Tx { return null{} }

func (null) WriteBatch(bufs []*frame.Buf, t *frame.Tally) {
	for _, b := range bufs {
		t.Sent(b)
	}
}

// Once the memory of what is on its way is there, nothing is allocated.
func TestLineAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has pools forget")
	}
	s := specOf(t, "delay", "1ms", "jitter", "1ms", "loss", "1%", "rate", "1gbit", "duplicate", "1%", "corrupt", "1%")
	l := &line{spec: s, dice: newDice(s)}
	if err := l.start(newTimerWaker); err != nil {
		t.Fatal(err)
	}
	var tally frame.Tally
	defer l.close(&tally)
	bufs := []*frame.Buf{superframe(40000), numbered(1, 1500), numbered(2, 60)}
	now := int64(0)
	round := func() {
		now += int64(time.Millisecond)
		for _, b := range bufs {
			l.admit(b, now, &tally)
		}
		l.rearm(now)
		for h := l.due(now); h != nil; h = l.due(now) {
			h.release()
		}
	}
	for range 1000 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations for 42 frames", n)
	}
}

func BenchmarkOutbound(b *testing.B) {
	for _, c := range []struct{ name, key, text string }{
		{"delay", "delay", "1ms"}, {"loss", "loss", "1%"}, {"rate", "rate", "100gbit"},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := NewOutbound(null{}, specOf(b, c.key, c.text))
			if err := o.Start(); err != nil {
				b.Fatal(err)
			}
			defer o.Close()
			tx := o.NewTx()
			bufs := make([]*frame.Buf, frame.BatchSize)
			for i := range bufs {
				bufs[i] = numbered(uint64(i), 1500)
			}
			var tally frame.Tally
			b.SetBytes(1500)
			for i := 0; b.Loop(); i++ {
				if i%len(bufs) == 0 {
					tx.WriteBatch(bufs, &tally)
				}
			}
		})
	}
}
