package node

import (
	"context"

	"weft/ctl"
	vswitch "weft/switch"
)

// device is what a port's frames come from and go to while it is up: the
// interface of a TAP, the connection of a stream. What changes frames on their
// way (a wrapper) is a device, too.
type device interface {
	vswitch.Port
	// Rx is the receive queue, the same at each call. When its ReadBatch fails
	// the device is lost; the error is what users are told.
	Rx() vswitch.Rx
	// LinkDown says why the device takes no frames although it is there, ""
	// while it does. Safe for concurrent use.
	LinkDown() string
	// Close wakes the reader. It is called once; who still writes drops.
	Close() error
}

// source is where a port has its devices from, one after the other: what a
// port is besides its place in the switch. There is one kind for each type.
type source interface {
	// open gives the device. It may wait for one until ctx ends. An error says
	// why there is none at present; open is tried again after a while. It is
	// not called while a device that it gave is open.
	open(ctx context.Context) (device, error)
	// change gives the source, and the device it gave last, what may change
	// while a port runs. Called with Node.mu held, also while open waits.
	change(s ctl.PortSpec) error
	// describe fills in what the type alone knows. State and Reason are those
	// of the port; without a device they are down and the last error. Safe for
	// concurrent use.
	describe(row *ctl.Port)
	// close ends the source after its last device.
	close() error
}
