//go:build !linux

package node

import (
	"weft/capture"
	"weft/frame"
	"weft/impair"
	vswitch "weft/switch"
)

// workers are goroutines here, one for each queue.
type workers struct{ sw *vswitch.Switch }

// mirrored is a queue whose frames a mirror shows.
func mirrored(rx vswitch.Rx, m *capture.Mirror) vswitch.Rx { return m.Rx(rx) }

func newWorkers(sw *vswitch.Switch, _ int, _ bool) (*workers, error) { return &workers{sw}, nil }

func (w *workers) count() int { return 0 }
func (w *workers) spin() bool { return false }

func (w *workers) serve(rx vswitch.Rx, id frame.PortID) error { return w.sw.Serve(rx, id) }

// serveLink is serve for the queue behind a link.
func (w *workers) serveLink(in *impair.Inbound, id frame.PortID) error {
	late := w.sw.NewWorker()
	defer late.Close()
	in.Start(impair.NewRuntimeTimer(func() { _, _ = late.Poll(in, id) }))
	defer in.Stop()
	return w.sw.Serve(&entry{in}, id)
}

func (w *workers) newTimer(fire func()) impair.Timer { return impair.NewRuntimeTimer(fire) }

func (w *workers) close() {}
