// Package tap is the local port: a TAP device that some network namespace sees
// as an Ethernet interface.
//
// On Linux the package opens its own descriptor, because offloads want
// IFF_VNET_HDR from the start: each frame then comes with a virtio_net_hdr
// (virtio 1.2 section 5.1.6), superframes of up to 64 KiB pass whole, and
// checksums are left for whoever needs them. github.com/songgao/water is the
// portable backend: one finished frame a read, on any system that it knows.
//
// # Concurrency
//
// A [Port] has one receive queue for one goroutine, and gives each transmitting
// goroutine a handle of its own ([Port.NewTx]); handles may write at the same
// time, the kernel takes each frame whole. Close may be called at any time and
// wakes the reader.
package tap
