// Package offload does in bytes what network hardware does for a kernel, and
// undoes it: it cuts superframes into segments, merges segments into
// superframes, and completes and verifies Internet checksums. It has no file
// descriptor and, once its scratch has grown to the traffic, allocates nothing.
//
// A superframe is a TCP or UDP packet larger than a segment, with one set of
// headers; [frame.Offload] says how it is to be cut. It enters weft from a TAP
// ([DecodeVirtio]), from a tunnel ([Coalescer], [Adopt]), and leaves to a TAP
// as it is ([EncodeVirtio]) or to a tunnel in segments ([Segmenter]).
//
// # Concurrency
//
// The functions touch only what they are given. A [Segmenter] and a
// [Coalescer] hold scratch and belong to one worker.
package offload

import "errors"

// ErrMalformed says that offload metadata contradicts the bytes of its frame.
// The frame cannot be delivered; it is to be counted as
// [frame.DropMalformed].
var ErrMalformed = errors.New("offload metadata contradicts the frame")
