package impair

import (
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weft/frame"
)

// inbound is a link behind a source that a goroutine reads.
func inbound(t *testing.T) (*Inbound, *source, *sink, chan error) {
	t.Helper()
	from, to, ended := newSource(), new(sink), make(chan error, 1)
	i := NewInbound(from)
	var mu sync.Mutex // the reader and the timer
	write := func(b *frame.Batch) {
		mu.Lock()
		defer mu.Unlock()
		var tally frame.Tally
		bufs := b.Bufs()
		for n := range bufs {
			to.WriteBatch([]*frame.Buf{&bufs[n]}, &tally)
		}
	}
	late := new(frame.Batch)
	i.Start(NewRuntimeTimer(func() {
		_, _ = i.PollBatch(late)
		write(late)
	}))
	go func() {
		b := new(frame.Batch)
		for {
			if err := i.Rx().ReadBatch(b); err != nil {
				i.Stop()
				ended <- err
				return
			}
			i.Send(b)
			write(b)
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

		i.Set(specOf(t, "delay", "10ms"))
		from.send(10, 64)
		from.send(74, 64)
		expect("before the delay is over", 0, 0)
		time.Sleep(11 * time.Millisecond)
		expect("after the delay", 10, 128)

		from.send(200, 10)
		i.Set(Spec{})
		expect("when it is cleared", 200, 10)
		if i.active.Load() {
			t.Error("the link is still in the way")
		}
		from.send(210, 3)
		expect("a perfect link again", 210, 3)

		i.SetDown(true)
		from.send(300, 7)
		from.send(307, 7)
		expect("down", 0, 0)
		if n := i.Stats().Drops[frame.DropLinkDown]; n != 14 {
			t.Errorf("%d dropped, want 14", n)
		}
		i.SetDown(false)
		from.send(400, 2)
		expect("up", 400, 2)

		i.Set(specOf(t, "delay", "10s"))
		from.send(500, 4)
		synctest.Wait()
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

// A link that was never anything but perfect is not in the way.
func TestInboundPerfect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
		i, from, to, ended := inbound(t)
		i.Set(Spec{})
		i.SetDown(false)
		from.send(0, 3)
		synctest.Wait()
		if len(to.take()) != 3 || i.active.Load() || len(i.line.queue) > 0 {
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
	link := NewInbound(rx)
	for _, behind := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "link"}[behind], func(b *testing.B) {
			for b.Loop() {
				if err := rx.ReadBatch(batch); err != nil {
					b.Fatal(err)
				}
				if behind {
					link.Send(batch)
				}
			}
		})
	}
}

// noTimer never calls.
type noTimer struct{}

func (noTimer) Set(time.Time) {}
func (noTimer) Stop()         {}

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
	l := &line{spec: s, dice: newDice(s), armed: never, timer: noTimer{}}
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
		l.armed = never
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
			o := NewOutbound(null{}, specOf(b, c.key, c.text), NewRuntimeTimer)
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
