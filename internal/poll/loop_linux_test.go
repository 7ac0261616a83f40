package poll

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe gives the reading end as an FD, and the writing end.
func pipe(t *testing.T) (r *FD, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	r = New(fds[0])
	t.Cleanup(func() { _ = r.Close() })
	return r, fds[1]
}

func write(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		t.Fatal(err)
	}
}

// reader is a queue's turn: it takes a byte and says so.
func reader(f *FD, got chan<- struct{}) Turn {
	return func() (bool, error) {
		fd, ok := f.Use()
		if !ok {
			return false, os.ErrClosed
		}
		defer f.Done()
		var b [1]byte
		if n, _ := unix.Read(fd, b[:]); n == 1 {
			got <- struct{}{}
		}
		return false, nil
	}
}

// runLoop starts a loop that ends with the test.
func runLoop(t *testing.T, o Options) *Loop {
	t.Helper()
	l, err := NewLoop(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l
}

// serve has the loop serve a queue; what Serve gave comes by the channel.
func serve(l *Loop, f *FD, turn Turn) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(f, turn) }()
	return ended
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing came", what)
	}
	return v
}

func TestLoopServesItsQueues(t *testing.T) {
	for name, o := range map[string]Options{"looking": {}, "sleeping": {NoSpin: true}} {
		t.Run(name, func(t *testing.T) {
			l := runLoop(t, o)
			a, wa := pipe(t)
			b, wb := pipe(t)
			gotA, gotB := make(chan struct{}, 100), make(chan struct{}, 100)
			endA, endB := serve(l, a, reader(a, gotA)), serve(l, b, reader(b, gotB))
			for range 20 {
				write(t, wa)
				await(t, gotA, "queue a")
				write(t, wb)
				await(t, gotB, "queue b")
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if err := await(t, endA, "end of a"); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a closed queue ends with %v", err)
			}
			write(t, wb)
			await(t, gotB, "queue b without a")
			l.Close()
			if err := await(t, endB, "end of b"); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a closed loop ends its queues with %v", err)
			}
			c, _ := pipe(t)
			if err := l.Serve(c, reader(c, gotA)); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a closed loop takes a queue: %v", err)
			}
		})
	}
}

// Queues beyond a few are waited for in another way, which nobody notices: also
// not when one of them goes, or when one comes after one of the few has gone.
func TestLoopServesACrowd(t *testing.T) {
	const many = few + 100
	l := runLoop(t, Options{NoSpin: true})
	queues, writers := make([]*FD, many), make([]int, many)
	got, ends := make([]chan struct{}, many), make([]<-chan error, many)
	open := func(i int) {
		queues[i], writers[i] = pipe(t)
		got[i] = make(chan struct{}, 100)
		ends[i] = serve(l, queues[i], reader(queues[i], got[i]))
		write(t, writers[i])
		await(t, got[i], "a queue's first byte") // so that they come in order
	}
	for i := range many {
		open(i)
	}
	all := func() {
		t.Helper()
		for i := range many {
			write(t, writers[i])
		}
		for i := range many {
			await(t, got[i], "a byte of each")
			if len(got[i]) != 0 {
				t.Errorf("queue %d had a turn too many", i)
			}
		}
	}
	all()
	for _, i := range []int{0, few - 1, few, many / 2, many - 1} {
		if err := queues[i].Close(); err != nil {
			t.Fatal(err)
		}
		if err := await(t, ends[i], "end of a queue"); !errors.Is(err, os.ErrClosed) {
			t.Errorf("queue %d ends with %v", i, err)
		}
		open(i)
		all()
	}
	failure := errors.New("failure")
	f, w := pipe(t)
	end := serve(l, f, func() (bool, error) { return false, failure })
	write(t, w)
	if err := await(t, end, "end of a queue that fails"); !errors.Is(err, failure) {
		t.Errorf("ends with %v", err)
	}
	all()
}

func TestATurnsErrorEndsItsQueueAlone(t *testing.T) {
	l := runLoop(t, Options{})
	a, wa := pipe(t)
	b, wb := pipe(t)
	failure := errors.New("failure")
	got := make(chan struct{}, 1)
	endA := serve(l, a, func() (bool, error) { return false, failure })
	serve(l, b, reader(b, got))
	write(t, wa)
	if err := await(t, endA, "end of a"); !errors.Is(err, failure) {
		t.Errorf("ends with %v", err)
	}
	write(t, wb)
	await(t, got, "queue b")
}

// A queue that has more than its descriptor shows gets its turns, and does not
// keep the others from theirs.
func TestMoreComesWithoutTheDescriptor(t *testing.T) {
	l := runLoop(t, Options{NoSpin: true})
	a, wa := pipe(t)
	b, wb := pipe(t)
	var turns atomic.Int64
	gotB, enough := make(chan struct{}, 1), make(chan struct{})
	serve(l, a, func() (bool, error) {
		if fd, ok := a.Use(); ok {
			var one [1]byte
			_, _ = unix.Read(fd, one[:])
			a.Done()
		}
		if turns.Add(1) == 1000 {
			close(enough)
		}
		return turns.Load() < 1000, nil
	})
	serve(l, b, reader(b, gotB))
	write(t, wb)
	await(t, gotB, "queue b")
	write(t, wa)
	await(t, enough, "a thousand turns")
	write(t, wb)
	await(t, gotB, "queue b")
}

// Others that are ready run soon, however much there is to do.
func TestABusyLoopGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := runLoop(t, Options{})
	f, w := pipe(t)
	var ran atomic.Bool
	turns, waited := 0, make(chan int, 1)
	end := serve(l, f, func() (bool, error) {
		if turns++; turns == 1 {
			go ran.Store(true)
		}
		if !ran.Load() && turns < 1000 {
			return true, nil
		}
		waited <- turns - 1
		return false, os.ErrClosed
	})
	write(t, w)
	const soon = 20 // turns
	if n := await(t, waited, "the other goroutine"); n > soon {
		t.Errorf("another goroutine waited for %d turns", n)
	}
	if err := await(t, end, "the queue's end"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the queue ended with %v", err)
	}
}

func TestADescriptorInUseStaysOpen(t *testing.T) {
	f, w := pipe(t)
	fd, ok := f.Use()
	if !ok {
		t.Fatal("cannot be used")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Use(); ok {
		t.Error("can be used after Close")
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	write(t, w)
	var b [1]byte
	if n, err := unix.Read(fd, b[:]); n != 1 {
		t.Errorf("was closed while in use: %v", err)
	}
	f.Done()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("is open after its last use: %v", err)
	}
}

func TestWait(t *testing.T) {
	f, w := pipe(t)
	write(t, w)
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	fd, _ := f.Use()
	var b [1]byte
	_, _ = unix.Read(fd, b[:])
	f.Done()
	woken := make(chan error, 1)
	go func() { woken <- f.Wait() }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_ = await(t, woken, "a waiter whose descriptor was closed")
	if err := f.Wait(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("waits for a closed descriptor: %v", err)
	}
}
