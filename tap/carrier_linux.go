package tap

import "golang.org/x/sys/unix"

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
	var err error
	if cerr := q.conn.Control(func(fd uintptr) {
		err = unix.IoctlSetPointerInt(int(fd), unix.TUNSETCARRIER, value)
	}); cerr != nil {
		return cerr
	}
	return err
}
