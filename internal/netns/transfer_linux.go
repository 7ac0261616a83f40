package netns

import (
	"fmt"
	"io"
	"net"
	"time"
)

// Transfer makes one TCP connection to addr, an address of the host to, and
// runs send at the near end and receive at the far one. The near end is closed
// when send returns; Transfer returns when both have. limit bounds it.
func Transfer(from, to *Host, addr string, limit time.Duration, send func(io.Writer) error, receive func(io.Reader) error) error {
	l, err := to.ListenTCP(net.JoinHostPort(addr, "0"))
	if err != nil {
		return err
	}
	defer l.Close()
	end := time.Now().Add(limit)
	received := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			received <- err
			return
		}
		defer c.Close()
		_ = c.SetDeadline(end) // fails on a closed connection alone, as what follows does
		received <- receive(c)
	}()

	c, err := from.DialTCP(l.Addr().String())
	if err != nil {
		return fmt.Errorf("TCP from %s to %s: %w", from.Name, to.Name, err)
	}
	_ = c.SetDeadline(end)
	err = send(c)
	c.Close()
	if rerr := <-received; err == nil {
		err = rerr
	}
	if err != nil {
		return fmt.Errorf("TCP from %s to %s: %w", from.Name, to.Name, err)
	}
	return nil
}
