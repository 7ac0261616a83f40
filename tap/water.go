package tap

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/songgao/water"

	"weft/frame"
	"weft/frame/offload"
)

// waterDevice is the portable backend: a frame a read, finished on both ways.
type waterDevice struct {
	ifce *water.Interface
	mem  []byte
}

// wrapWater makes a device of an open interface.
func wrapWater(ifce *water.Interface) *waterDevice {
	return &waterDevice{ifce: ifce, mem: make([]byte, frame.Headroom+frame.MaxLen)}
}

func (d *waterDevice) rx() Rx       { return d }
func (d *waterDevice) close() error { return d.ifce.Close() }

// ReadBatch reads one frame.
func (d *waterDevice) ReadBatch(b *frame.Batch) error {
	b.Reset()
	n, err := d.ifce.Read(d.mem[frame.Headroom:])
	switch {
	case err == nil:
		b.Next().Set(d.mem[:frame.Headroom+n], frame.Headroom)
		return nil
	case errors.Is(err, os.ErrClosed), errors.Is(err, io.EOF):
		return os.ErrClosed
	}
	return errors.Join(ErrGone, err)
}

func (d *waterDevice) newTx(down *atomic.Bool) Tx {
	return &waterTx{w: d.ifce, down: down, seg: offload.NewSegmenter()}
}

// waterTx finishes what it is given and writes it frame by frame.
type waterTx struct {
	w    io.Writer
	down *atomic.Bool
	seg  *offload.Segmenter
	flat []byte
}

// WriteBatch writes bufs; vswitch.Tx has the contract.
func (t *waterTx) WriteBatch(bufs []*frame.Buf, tally *frame.Tally) {
	for _, b := range bufs {
		if b.Offload.GSO == frame.GSONone {
			offload.FinishChecksum(b)
			t.write(b, tally)
			continue
		}
		segs, err := t.seg.Segment(b)
		if err != nil {
			tally.Drop(frame.DropMalformed, b)
			continue
		}
		for i := range segs {
			t.write(&segs[i], tally)
		}
	}
}

func (t *waterTx) write(b *frame.Buf, tally *frame.Tally) {
	if len(b.Frags) > 0 && t.flat == nil {
		t.flat = make([]byte, 0, frame.MaxLen)
	}
	switch _, err := t.w.Write(b.Flat(t.flat)); {
	case err == nil:
		t.down.Store(false)
		tally.Sent(b)
	case errors.Is(err, syscall.EIO):
		t.down.Store(true)
		tally.Drop(frame.DropPortDown, b)
	case errors.Is(err, os.ErrClosed):
		tally.Drop(frame.DropPortDown, b)
	default:
		tally.Drop(frame.DropQueueFull, b)
	}
}
