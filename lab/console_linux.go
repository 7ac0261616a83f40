package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
)

// detachKey is Ctrl-], by which telnet and virsh are left.
const detachKey = 0x1d

// Console joins the terminal with the serial console of a virtual machine until
// Ctrl-] or the machine's end.
func Console(ctx context.Context, d Dir, node string, in, out *os.File) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.Console(node))
	if err != nil {
		return fmt.Errorf("the console of %s: %w (does it run? see weft lab inspect)", node, err)
	}
	defer conn.Close()
	restore, err := raw(in)
	if err != nil {
		return err
	}
	defer restore()
	left := make(chan struct{}, 2)
	go func() {
		defer func() { left <- struct{}{} }()
		key := make([]byte, 1)
		for {
			if _, err := in.Read(key); err != nil || key[0] == detachKey {
				return
			}
			if _, err := conn.Write(key); err != nil {
				return
			}
		}
	}()
	go func() {
		_, _ = io.Copy(out, conn)
		left <- struct{}{}
	}()
	<-left
	return nil
}
