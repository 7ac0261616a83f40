//go:build !linux

package impair

func newWaker() (waker, error) { return newTimerWaker() }
