package tap

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetCarrier plugs the cable in or pulls it out: without it the interface
// reports NO-CARRIER and its host sends nothing (TUNSETCARRIER, Linux 5.0).
func (p *Port) SetCarrier(on bool) error {
	q, ok := p.dev.(*queue)
	if !ok {
		return ErrUnsupported
	}
	value := 0
	if on {
		value = 1
	}
	fd, ok := q.fd.Use()
	if !ok {
		return os.ErrClosed
	}
	defer q.fd.Done()
	return unix.IoctlSetPointerInt(fd, unix.TUNSETCARRIER, value)
}
