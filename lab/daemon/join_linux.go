package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"weft/lab"
	"weft/lab/engine"
	"weft/lab/space"
	"weft/lab/topology"
)

// An ordinary user's lab has namespaces of its own and may not enter those that
// an engine has made. So the engine's container comes into one of the lab's: a
// first container, the usher, is this program with the right to change
// namespaces. The lab hands it the node's network namespace over a socket, it
// goes there, and the engine starts the node's container beside it. The usher is
// then gone again.

const (
	joinSocket  = "/weft.sock" // in the usher
	joinProgram = "/weft"
	joinTime    = 10 * time.Second // from the usher's start until it has joined
	joinedEnv   = "WEFT_JOINED"    // tells the usher, begun anew, that it is there
)

// startJoined makes a namespace and starts the node's container in it.
func (a *applier) startJoined(ctx context.Context, c *engine.Client, n *topology.Node, spec engine.Spec) (*space.Space, error) {
	s, err := space.New(n.Name, string(a.dir))
	if err != nil {
		return nil, err
	}
	if err := a.startIn(ctx, c, s, spec); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// startIn starts the container that is to be in the space.
func (a *applier) startIn(ctx context.Context, c *engine.Client, s *space.Space, spec engine.Spec) error {
	usher, err := a.usher(ctx, c, s, spec)
	if err != nil {
		return err
	}
	defer usher.leave(ctx)
	spec.Beside, spec.Host, spec.Hosts = usher.id, "", nil // the usher's are also its
	id, err := c.Start(ctx, spec)
	if err == nil {
		_, err = running(ctx, c, id)
	}
	return err
}

// usher is a container in one of the lab's network namespaces.
type usher struct {
	engine *engine.Client
	id     string
	conn   *net.UnixConn
}

// usher starts one and waits until it has joined the space.
func (a *applier) usher(ctx context.Context, c *engine.Client, s *space.Space, node engine.Spec) (*usher, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket := a.dir.File(s.Name + ".join")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // and the file with it
	id, err := c.Start(ctx, engine.Spec{
		Name:  node.Name + ".usher", // no node is called that
		Image: node.Image, User: "0", Host: node.Host, Hosts: node.Hosts, Labels: node.Labels,
		Entry: []string{joinProgram, "lab", "join", joinSocket},
		Binds: []string{program + ":" + joinProgram + ":ro", socket + ":" + joinSocket},
		Caps:  []string{"SYS_ADMIN"}, // to change namespaces: setns(2)
	})
	u := &usher{engine: c, id: id}
	if err == nil {
		err = u.answer(ctx, l)
	}
	if err == nil {
		err = u.show(ctx, s)
	}
	if err != nil {
		u.leave(ctx)
		return nil, fmt.Errorf("%w (an ordinary user's containers want an engine that root runs without remapping users)", err)
	}
	return u, nil
}

// answer waits for the usher's call.
func (u *usher) answer(ctx context.Context, l *net.UnixListener) (err error) {
	for end := time.Now().Add(joinTime); time.Now().Before(end); {
		_ = l.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if u.conn, err = l.AcceptUnix(); err == nil {
			return nil
		}
		if _, err := running(ctx, u.engine, u.id); err != nil {
			return err
		}
	}
	return errors.New("the container that is to join the lab's network does not call")
}

// show hands the usher the space's network namespace and waits until it is there.
func (u *usher) show(ctx context.Context, s *space.Space) error {
	ns, err := os.Open(s.Path())
	if err != nil {
		return err
	}
	defer ns.Close()
	if _, _, err := u.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(ns.Fd())), nil); err != nil {
		return err
	}
	_ = u.conn.SetReadDeadline(time.Now().Add(joinTime))
	if _, err := io.ReadFull(u.conn, make([]byte, 1)); err != nil {
		if _, ended := running(ctx, u.engine, u.id); ended != nil {
			err = ended
		}
		return fmt.Errorf("a container cannot join the lab's network: %w", err)
	}
	return nil
}

// leave ends the usher.
func (u *usher) leave(ctx context.Context) {
	if u.conn != nil {
		_ = u.conn.Close()
	}
	if u.id != "" {
		_ = u.engine.Remove(ctx, u.id) // else it goes with the lab, by its label
	}
}

// Join is the usher: it takes a network namespace from the lab behind the
// socket, goes there, and stays until the lab hangs up. The whole process has to
// be there and not one thread, so it begins anew from the thread that is.
func Join(socket string) error {
	if fd, err := strconv.Atoi(os.Getenv(joinedEnv)); err == nil {
		return stay(os.NewFile(uintptr(fd), socket))
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	namespaces, err := lab.ReceiveFiles(conn, 1)
	if err == nil && len(namespaces) == 0 {
		err = errors.New("the lab sent no namespace")
	}
	if err != nil {
		return err
	}
	f, err := conn.File()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Setns(int(namespaces[0].Fd()), unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("setns", err)
	}
	kept, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 0) // not closed by exec
	if err != nil {
		return err
	}
	env := append(os.Environ(), joinedEnv+"="+strconv.Itoa(kept))
	return unix.Exec("/proc/self/exe", os.Args, env)
}

// stay tells the lab behind f that this process has joined, and waits for its end.
func stay(f *os.File) error {
	if _, err := f.Write([]byte{0}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, f)
	return err
}
