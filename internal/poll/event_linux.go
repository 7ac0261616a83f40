package poll

import (
	"os"

	"golang.org/x/sys/unix"
)

// event wakes a thread out of poll(2).
type event struct{ fd *FD }

func newEvent() (*event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &event{New(fd)}, nil
}

// signal wakes the thread, now or when it next waits.
func (e *event) signal() {
	fd, ok := e.fd.Use()
	if !ok {
		return
	}
	defer e.fd.Done()
	one := [8]byte{0: 1} // eventfd(2) adds a uint64; anything but zero does
	_, _ = unix.Write(fd, one[:])
}

// clear takes the signals that there were. Only the thread itself calls it.
func (e *event) clear() {
	var count [8]byte
	_, _ = unix.Read(e.fd.fd, count[:])
}

func (e *event) close() { _ = e.fd.Close() }
