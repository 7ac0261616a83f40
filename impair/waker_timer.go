package impair

import (
	"errors"
	"time"
)

// waker wakes one goroutine at a time that any goroutine may change. It may
// wake it for nothing.
type waker interface {
	// arm has wait return in d, in place of when it was told to before.
	arm(d time.Duration)
	// wait blocks until then. It fails once the waker is closed.
	wait() error
	close()
}

var errWakerClosed = errors.New("closed")

// timerWaker is a timer of the runtime's: portable, and as exact as that is,
// which on an idle Linux is a millisecond.
type timerWaker struct {
	timer  *time.Timer
	woken  chan struct{}
	closed chan struct{}
}

func newTimerWaker() (waker, error) {
	w := &timerWaker{woken: make(chan struct{}, 1), closed: make(chan struct{})}
	w.timer = time.AfterFunc(maxDelay, w.wake)
	return w, nil
}

func (w *timerWaker) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (w *timerWaker) arm(d time.Duration) { w.timer.Reset(max(d, 0)) }

func (w *timerWaker) wait() error {
	select {
	case <-w.woken:
		return nil
	case <-w.closed:
		return errWakerClosed
	}
}

func (w *timerWaker) close() {
	w.timer.Stop()
	close(w.closed)
}
