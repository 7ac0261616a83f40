package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"weft/frame"
)

// framed is frames as they are on a connection.
func framed(frames ...[]byte) []byte {
	var out []byte
	for _, f := range frames {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

// numbered is a frame of n bytes that says which one it is.
func numbered(i, n int) []byte {
	f := bytes.Repeat([]byte{byte(i + 1)}, n)
	if n >= 8 {
		binary.BigEndian.PutUint64(f, uint64(i))
	}
	return f
}

// chunks is a connection that gives its bytes in pieces, then the error.
type chunks struct {
	net.Conn
	pieces [][]byte
	err    error
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, c.err
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *chunks) SetReadDeadline(time.Time) error { return nil }

// readAll reads until the error, and checks that each frame of a batch still is
// what it was after every headroom was written, as the tunnel does.
func readAll(t *testing.T, r Rx) (frames [][]byte, err error) {
	t.Helper()
	b := new(frame.Batch)
	for {
		if err := r.ReadBatch(b); err != nil {
			return frames, err
		}
		first := len(frames)
		for i := range b.Bufs() {
			frames = append(frames, bytes.Clone(b.Bufs()[i].Head()))
		}
		for i := range b.Bufs() {
			copy(b.Bufs()[i].Prepended(frame.Headroom)[:frame.Headroom], "headroom")
		}
		for i := range b.Bufs() {
			if !bytes.Equal(b.Bufs()[i].Head(), frames[first+i]) {
				t.Fatalf("frame %d changed when headrooms were written", first+i)
			}
		}
	}
}

// However the bytes are cut, the frames are the same.
func TestFraming(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var want [][]byte
	for i := range 3000 {
		n := 60 + rng.IntN(1500)
		switch rng.IntN(20) {
		case 0:
			n = rng.IntN(20) // too short for a switch, not for the framing
		case 1:
			n = maxFrame - rng.IntN(3)
		}
		want = append(want, numbered(i, n))
	}
	all := framed(want...)
	for _, most := range []int{200, 5000, 100_000, len(all)} {
		c := &chunks{err: io.EOF}
		for rest := all; len(rest) > 0; {
			n := min(1+rng.IntN(most), len(rest))
			c.pieces, rest = append(c.pieces, rest[:n]), rest[n:]
		}
		got, err := readAll(t, newRx(c))
		if !errors.Is(err, ErrPeerClosed) {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("in pieces of up to %d: %d frames, want %d", most, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("in pieces of up to %d: frame %d of %d bytes came as %d", most, i, len(want[i]), len(got[i]))
			}
		}
	}
}

// What is wrong is given as one empty frame, to be counted, and ends it.
func TestFramingErrors(t *testing.T) {
	good := framed(numbered(0, 60))
	for name, c := range map[string]struct {
		bytes  []byte
		cause  error
		err    error
		frames int
	}{
		"nothing":             {nil, io.EOF, ErrPeerClosed, 0},
		"whole":               {good, io.EOF, ErrPeerClosed, 1},
		"empty frame":         {framed(nil, numbered(0, 60)), io.EOF, ErrPeerClosed, 2},
		"too long":            {append(bytes.Clone(good), 0, 1, 0, 1), io.EOF, ErrCutOff, 2},
		"all ones":            {[]byte{255, 255, 255, 255}, io.EOF, ErrCutOff, 1},
		"closed in a length":  {append(bytes.Clone(good), 0, 0), io.EOF, ErrPeerClosed, 2},
		"closed in a frame":   {good[:20], io.EOF, ErrPeerClosed, 1},
		"closed by ourselves": {good[:20], net.ErrClosed, os.ErrClosed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			conn := &chunks{err: c.cause}
			if c.bytes != nil {
				conn.pieces = [][]byte{bytes.Clone(c.bytes)}
			}
			got, err := readAll(t, newRx(conn))
			if len(got) != c.frames || !errors.Is(err, c.err) {
				t.Errorf("%d frames, %v; want %d, %v", len(got), err, c.frames, c.err)
			}
		})
	}
}

// A peer that stops in the middle of a frame is cut off in bounded time, one
// that is only slow or silent is not.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		r := newRx(here)
		go func() {
			for range 5 { // a frame in two halves, then silence
				f := framed(numbered(0, 60))
				_, _ = there.Write(f[:30])
				time.Sleep(stallTime / 2)
				_, _ = there.Write(f[30:])
				time.Sleep(10 * stallTime)
			}
			_, _ = there.Write(framed(numbered(0, 60))[:30])
		}()
		begin := time.Now()
		got, err := readAll(t, r)
		if len(got) != 6 || !errors.Is(err, ErrCutOff) {
			t.Errorf("%d frames, %v", len(got), err)
		}
		stopped := 5 * (stallTime/2 + 10*stallTime)
		if took := time.Since(begin) - stopped; took < stallTime || took > 2*stallTime {
			t.Errorf("cut off after %v", took)
		}
		_, _ = here.Close(), there.Close()
	})
}

// pair is a Conn and the peer's end.
func pair(t testing.TB) (*Conn, *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := Dial(context.Background(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), peer.Close() })
	return c, peer
}

// bufs makes frames with headroom.
func bufs(frames ...[]byte) []*frame.Buf {
	var out []*frame.Buf
	for _, f := range frames {
		b := new(frame.Buf)
		b.Set(append(make([]byte, frame.Headroom), f...), frame.Headroom)
		out = append(out, b)
	}
	return out
}

// A full socket never blocks, what did not fit is counted, and what was taken in
// part is completed: with several handles at once the peer sees whole frames,
// as many as were counted as sent.
func TestWriteWhenFull(t *testing.T) {
	c, peer := pair(t)
	const writers, batches, perBatch = 3, 400, 20
	tallies := make([]frame.Tally, writers)
	done := make(chan int)
	for w := range writers {
		go func() {
			tx := c.NewTx()
			for i := range batches {
				var frames [][]byte
				for j := range perBatch {
					frames = append(frames, numbered(i*perBatch+j, 100+(i*37+j*101)%1400))
				}
				b := bufs(frames...)
				b[0].Frags = append(b[0].Frags, []byte("behind"), []byte("it"))
				tx.WriteBatch(b, &tallies[w])
			}
			done <- w
		}()
	}
	<-done // nobody has read anything: a writer that waited would hang here
	read := make(chan error, 1)
	got := 0
	go func() { read <- countFrames(peer, &got) }()
	for range writers - 1 {
		<-done
	}
	for part := true; part; { // until the reader has made room for it
		c.mu.Lock()
		part = len(c.rest) > 0
		c.mu.Unlock()
		runtime.Gosched()
	}
	_ = c.Close()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	var sent, dropped uint64
	for i := range tallies {
		sent += tallies[i].Frames
		dropped += tallies[i].Drops[frame.DropQueueFull]
	}
	if uint64(got) != sent || sent+dropped != writers*batches*perBatch || dropped == 0 {
		t.Errorf("%d arrived; %d sent, %d dropped of %d", got, sent, dropped, writers*batches*perBatch)
	}
}

// countFrames reads numbered frames until the peer closes.
func countFrames(conn net.Conn, got *int) error {
	r, b := newRx(conn), new(frame.Batch)
	for {
		if err := r.ReadBatch(b); errors.Is(err, ErrPeerClosed) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range b.Bufs() {
			head := b.Bufs()[i].Head()
			if len(head) < 8 {
				return fmt.Errorf("frame %d has %d bytes", *got, len(head))
			}
			n := binary.BigEndian.Uint64(head)
			for _, x := range bytes.TrimSuffix(head[8:], []byte("behindit")) {
				if x != byte(n+1) {
					return fmt.Errorf("frame %d is broken", *got)
				}
			}
			*got++
		}
	}
}

// The rest of a frame reaches a slow peer although nothing else is sent.
func TestRestWithoutAnotherFrame(t *testing.T) {
	c, peer := pair(t)
	var tally frame.Tally
	tx := c.NewTx()
	for tally.Drops[frame.DropQueueFull] == 0 {
		tx.WriteBatch(bufs(numbered(0, 60_000), numbered(1, 60_000)), &tally)
	}
	r := newRx(peer)
	b := new(frame.Batch)
	for got := uint64(0); got < tally.Frames; got += uint64(b.Len()) {
		if err := peer.SetReadDeadline(time.Now().Add(stallTime)); err != nil {
			t.Fatal(err)
		}
		r.armed = true // the deadline above
		if err := r.ReadBatch(b); err != nil {
			t.Fatalf("after %d of %d frames: %v", got, tally.Frames, err)
		}
	}
}

// Whoever writes next completes the rest first.
func TestRestGoesFirst(t *testing.T) {
	c, peer := pair(t)
	c.finishing = true // so that nobody else does
	var tally frame.Tally
	tx := c.NewTx()
	for tally.Drops[frame.DropQueueFull] == 0 {
		tx.WriteBatch(bufs(numbered(0, 60_000), numbered(0, 60_000)), &tally)
	}
	if len(c.rest) == 0 {
		t.Fatal("no frame was written in part")
	}
	if err := peer.SetReadDeadline(time.Now().Add(stallTime)); err != nil {
		t.Fatal(err)
	}
	r, b := newRx(peer), new(frame.Batch)
	r.armed = true // the deadline above
	for got := uint64(0); got < tally.Frames; got += uint64(b.Len()) {
		if err := r.ReadBatch(b); err != nil {
			t.Fatalf("after %d of %d frames: %v", got, tally.Frames, err)
		}
		for i := range b.Bufs() {
			if f := b.Bufs()[i].Head(); !bytes.Equal(f, numbered(0, len(f))) || len(f) != 60 && len(f) != 60_000 {
				t.Fatalf("after %d of %d frames one is broken", got, tally.Frames)
			}
		}
		tx.WriteBatch(bufs(numbered(0, 60)), &tally)
		if got > 1000 {
			return
		}
	}
}

// Superframes leave in segments, what is too long is dropped, and after the
// peer or the port is gone everything is.
func TestWriteDrops(t *testing.T) {
	c, peer := pair(t)
	tx := c.NewTx()
	var tally frame.Tally
	tx.WriteBatch(bufs(numbered(0, maxFrame+1)), &tally)
	if tally.Drops[frame.DropTooBig] != 1 {
		t.Errorf("too long: %+v", tally)
	}
	_ = peer.Close()
	tally = frame.Tally{}
	tx.WriteBatch(bufs(numbered(0, 60)), &tally)
	if tally.Drops[frame.DropPortDown] != 1 {
		t.Errorf("without a peer: %+v", tally)
	}
	if err := c.Rx().ReadBatch(new(frame.Batch)); !errors.Is(err, ErrPeerClosed) {
		t.Error(err)
	}
	_ = c.Close()
	tally = frame.Tally{}
	tx.WriteBatch(bufs(numbered(0, 60)), &tally)
	if tally.Drops[frame.DropPortDown] != 1 {
		t.Errorf("after Close: %+v", tally)
	}
}

func TestCloseWakesReader(t *testing.T) {
	c, _ := pair(t)
	ended := make(chan error, 1)
	go func() { ended <- c.Rx().ReadBatch(new(frame.Batch)) }()
	_ = c.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestNoAllocations(t *testing.T) {
	c, peer := pair(t)
	tx := c.NewTx()
	b := bufs(numbered(0, 1500), numbered(1, 60), numbered(2, 1500))
	r, batch := newRx(peer), new(frame.Batch)
	var tally frame.Tally
	allocs := testing.AllocsPerRun(100, func() {
		tx.WriteBatch(b, &tally)
		for got := 0; got < len(b); got += batch.Len() {
			if err := r.ReadBatch(batch); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a batch", allocs)
	}
}

// FuzzFraming feeds any bytes in pieces of two sizes: the same frames come out,
// and no more bytes than went in.
func FuzzFraming(f *testing.F) {
	f.Add(framed(numbered(0, 60), numbered(1, 1514)), 7)
	f.Add(framed(nil, numbered(1, 14)), 1)
	f.Add([]byte{0, 1, 0, 1, 0}, 2)
	f.Add([]byte{255, 255, 255, 255}, 4)
	f.Add(append(framed(numbered(0, 60)), 0, 0, 0, 60, 1), 100)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 {
			return
		}
		cut := &chunks{err: io.EOF}
		for rest := data; len(rest) > 0; {
			n := min(size, len(rest))
			cut.pieces, rest = append(cut.pieces, rest[:n]), rest[n:]
		}
		whole := &chunks{err: io.EOF}
		if len(data) > 0 {
			whole.pieces = [][]byte{data}
		}
		a, errA := readAll(t, newRx(cut))
		b, errB := readAll(t, newRx(whole))
		if errA.Error() != errB.Error() || len(a) != len(b) {
			t.Fatalf("in pieces %d frames and %v, whole %d and %v", len(a), errA, len(b), errB)
		}
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				t.Fatalf("frame %d differs", i)
			}
		}
		if back := framed(a...); len(a) > 0 && len(a[len(a)-1]) > 0 && !bytes.HasPrefix(data, back) {
			t.Fatal("the frames are not what the bytes say")
		}
	})
}

func BenchmarkReadBatch(b *testing.B) {
	for _, size := range []int{64, 1514, 9014} {
		b.Run(map[int]string{64: "64", 1514: "1514", 9014: "9014"}[size], func(b *testing.B) {
			var all []byte
			for i := range 100 {
				all = append(all, framed(numbered(i, size))...)
			}
			loop := &endless{bytes: all}
			r, batch := newRx(loop), new(frame.Batch)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; n < b.N; n += batch.Len() {
				if err := r.ReadBatch(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// endless gives the same bytes again and again, as much as a Unix socket does.
type endless struct {
	net.Conn
	bytes []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	p = p[:min(len(p), 200<<10)]
	for n := 0; n < len(p); {
		k := copy(p[n:], e.bytes[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.bytes)
	}
	return len(p), nil
}

func (e *endless) SetReadDeadline(time.Time) error { return nil }
