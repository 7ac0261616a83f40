package lab

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// drainTime is how long output that is on its way may take to arrive once the
// process has ended. A process that it left behind may hold the terminal.
const drainTime = time.Second

// terminal joins the user's terminal with the command's. finish waits for the
// rest of the output and puts the user's terminal back.
func terminal(master, in, out *os.File) (finish func(), err error) {
	restore, err := raw(in)
	if err != nil {
		return nil, err
	}
	resize(in, master)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	go func() {
		for range resized {
			resize(in, master)
		}
	}()
	// Reading the user's terminal cannot be interrupted; it ends with the
	// process.
	go func() { _, _ = io.Copy(master, in) }()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(out, master) // EIO is how a terminal says that it is over
	}()
	return func() {
		select {
		case <-drained:
		case <-time.After(drainTime):
		}
		signal.Stop(resized)
		close(resized)
		restore()
	}, nil
}

// raw has every key go through as it is (termios(3), cfmakeraw).
func raw(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := *old
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &t); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }, nil
}

// resize gives the command's terminal the size of the user's.
func resize(from, to *os.File) {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err == nil {
		_ = unix.IoctlSetWinsize(int(to.Fd()), unix.TIOCSWINSZ, size)
	}
}
