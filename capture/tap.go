package capture

import (
	"context"
	"io"
	"sync"
	"time"

	"weft/frame"
	"weft/frame/offload"
)

// Direction is which way a frame passed the port.
type Direction uint32

// The directions, with the values of pcapng's epb_flags.
const (
	Inbound  Direction = 1 // from what is attached to the port
	Outbound Direction = 2 // to it
)

// bufferLen bounds what a tap holds for a reader that is late, in bytes: some
// milliseconds of 10 Gb/s.
const bufferLen = 8 << 20

// Config is what a tap looks for.
type Config struct {
	Name    string // of the port
	Filter  Filter // the zero value is everything
	SnapLen int    // keep this many bytes of a frame; 0 is all
	Count   int    // end after this many frames; 0 is never
}

// Tap is one reader of a mirror.
type Tap struct {
	config Config
	ready  chan struct{} // holds one token: there is something to look at

	mu    sync.Mutex // guards what follows
	block []byte     // pcapng blocks that are not read yet
	seen  uint64     // that matched
	lost  uint64     // of those, that found the buffer full
	ended bool
}

// NewTap makes a tap; [Mirror.Add] has it see frames.
func NewTap(c Config) *Tap {
	if c.SnapLen == 0 {
		c.SnapLen = frame.MaxLen
	}
	return &Tap{config: c, ready: make(chan struct{}, 1)}
}

// see copies a frame that matches. b is borrowed until it returns.
func (t *Tap) see(b *frame.Buf, d Direction, now time.Time) {
	if !t.config.Filter.Match(b.Head(), b.Len()) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.seen++
	n := min(b.Len(), t.config.SnapLen)
	if len(t.block)+n+blockOverhead > bufferLen {
		t.lost++
		return
	}
	var data []byte
	t.block, data = appendPacket(t.block, n, b.Len(), d, now)
	at := copy(data, b.Head())
	for _, f := range b.Frags {
		at += copy(data[at:], f)
	}
	// What the sender left to hardware would look like an error.
	if n == b.Len() {
		var c frame.Buf
		c.Set(data, 0)
		c.Offload = b.Offload
		offload.FinishChecksum(&c)
	}
	t.ended = t.config.Count != 0 && t.seen-t.lost == uint64(t.config.Count)
	t.wake()
}

func (t *Tap) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.wake()
}

func (t *Tap) wake() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// WriteTo writes pcapng until ctx ends, the mirror closes, or Count frames
// were written. Frames that were lost are told as they happen, in statistics
// blocks.
func (t *Tap) WriteTo(ctx context.Context, w io.Writer) error {
	if _, err := w.Write(header(t.config.Name, t.config.SnapLen)); err != nil {
		return err
	}
	var spare []byte
	told := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.ready:
		}
		t.mu.Lock()
		out := t.block
		t.block = spare[:0]
		seen, lost, ended := t.seen, t.lost, t.ended
		t.mu.Unlock()
		if lost != told || ended {
			out, told = appendStatistics(out, seen, lost, time.Now()), lost
		}
		if len(out) > 0 {
			if _, err := w.Write(out); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		spare = out
	}
}
