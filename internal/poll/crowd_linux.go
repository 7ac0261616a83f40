package poll

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// few is how many queues of a loop poll(2) is asked about one by one.
const few = 8

// crowd is an epoll(7) set of a loop's queues beyond a few. To wait for it costs
// what has something to read, where poll(2) costs what there is; but the kernel
// notes every frame that comes while the thread is at work, so that a few queues
// are better off without. The zero value is an empty set.
type crowd struct {
	fd     *FD
	queues map[int32]*queue
	events [64]unix.EpollEvent
}

// add takes q in. The error is that of a system without descriptors or memory to
// spare.
func (c *crowd) add(q *queue) error {
	if c.fd == nil {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return os.NewSyscallError("epoll_create1", err)
		}
		c.fd, c.queues = New(fd), make(map[int32]*queue)
	}
	fd := int32(q.fd.fd)
	err := unix.EpollCtl(c.fd.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd})
	if err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	c.queues[fd] = q
	return nil
}

// remove takes q out, whose descriptor is still open.
func (c *crowd) remove(q *queue) {
	fd := int32(q.fd.fd)
	delete(c.queues, fd)
	_ = unix.EpollCtl(c.fd.fd, unix.EPOLL_CTL_DEL, int(fd), nil)
}

// mark marks the queues that have something to read, or those that have waited
// for it longest where there are many.
func (c *crowd) mark() {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.fd.fd), uintptr(unsafe.Pointer(&c.events[0])), uintptr(len(c.events)), 0, 0, 0)
	if errno != 0 {
		return
	}
	for i := range c.events[:n] {
		c.queues[c.events[i].Fd].ready = true
	}
}

func (c *crowd) close() {
	if c.fd != nil {
		_ = c.fd.Close()
	}
}
