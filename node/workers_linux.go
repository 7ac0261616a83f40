package node

import (
	"runtime"
	"sync"
	"sync/atomic"

	"weft/capture"
	"weft/frame"
	"weft/impair"
	"weft/internal/poll"
	vswitch "weft/switch"
)

// workers are the threads that serve the queues of TAPs and of the tunnel. What
// cannot be polled has a goroutine of its own.
type workers struct {
	sw     *vswitch.Switch
	all    []*worker
	noSpin bool
	next   atomic.Uint32 // of all, who gets the next queue
	done   sync.WaitGroup
}

// worker is a thread and its view of the switch.
type worker struct {
	loop *poll.Loop
	sw   *vswitch.Worker
}

// polled is a queue that a worker can serve.
type polled interface {
	vswitch.Polled
	FD() *poll.FD
}

// mirrored is a queue whose frames a mirror shows; it can be polled if rx can.
func mirrored(rx vswitch.Rx, m *capture.Mirror) vswitch.Rx {
	shown := m.Rx(rx)
	if q, ok := rx.(polled); ok {
		return &mirroredQueue{shown, q, m}
	}
	return shown
}

type mirroredQueue struct {
	vswitch.Rx
	queue  polled
	mirror *capture.Mirror
}

// PollBatch implements vswitch.Polled.
func (q *mirroredQueue) PollBatch(b *frame.Batch) (more bool, err error) {
	more, err = q.queue.PollBatch(b)
	q.mirror.Show(b)
	return more, err
}

// FD is the queue's.
func (q *mirroredQueue) FD() *poll.FD { return q.queue.FD() }

// newWorkers starts count threads. 0 is one for every two processors: a frame
// that comes in by one queue and its answer, by another, are best served by one
// thread, and the other processor is for those who send and receive.
func newWorkers(sw *vswitch.Switch, count int, noSpin bool) (*workers, error) {
	if count == 0 {
		count = max(1, runtime.NumCPU()/2)
	}
	w := &workers{sw: sw, noSpin: noSpin}
	for range count {
		loop, err := poll.NewLoop(poll.Options{NoSpin: noSpin})
		if err != nil {
			w.close()
			return nil, err
		}
		one := &worker{loop: loop, sw: sw.NewWorker()}
		w.all = append(w.all, one)
		w.done.Go(func() {
			defer one.sw.Close()
			_ = loop.Run() // each Serve gives the error, too
		})
	}
	return w, nil
}

func (w *workers) count() int { return len(w.all) }
func (w *workers) spin() bool { return !w.noSpin }

// serve switches what comes from rx, as [vswitch.Worker.Poll] does, until it
// fails.
func (w *workers) serve(rx vswitch.Rx, id frame.PortID) error {
	q, ok := rx.(polled)
	if !ok {
		return w.sw.Serve(rx, id)
	}
	one := w.pick()
	return one.loop.Serve(q.FD(), func() (bool, error) { return one.sw.Poll(q, id) })
}

// serveLink is serve for the queue behind a link. What has been on its way there
// is switched by a worker in any case.
func (w *workers) serveLink(in *impair.Inbound, id frame.PortID) error {
	one := w.pick()
	in.Start(one.loop.NewTimer(func() { _, _ = one.sw.Poll(in, id) }))
	defer in.Stop()
	if q, ok := in.Rx().(polled); ok {
		entry := &polledEntry{q, in}
		return one.loop.Serve(q.FD(), func() (bool, error) { return one.sw.Poll(entry, id) })
	}
	return w.sw.Serve(&entry{in}, id)
}

// polledEntry is where what a queue gives enters its link.
type polledEntry struct {
	queue polled
	link  *impair.Inbound
}

// PollBatch implements vswitch.Polled.
func (e *polledEntry) PollBatch(b *frame.Batch) (more bool, err error) {
	more, err = e.queue.PollBatch(b)
	e.link.Send(b)
	return more, err
}

// newTimer gives a worker's timer.
func (w *workers) newTimer(fire func()) impair.Timer { return w.pick().loop.NewTimer(fire) }

func (w *workers) pick() *worker { return w.all[int(w.next.Add(1)-1)%len(w.all)] }

// close ends every serve.
func (w *workers) close() {
	for _, one := range w.all {
		one.loop.Close()
	}
	w.done.Wait()
}
