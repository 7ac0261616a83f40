package tunnel

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/internal/vectorio"
)

// loads are what the benchmarks carry: a superframe of TCP, and a batch of
// small frames.
func loads(b *testing.B) map[string][]*frame.Buf {
	b.Helper()
	small := make([]*frame.Buf, frame.BatchSize)
	for i := range small {
		small[i] = bufOf(spec{port: 1000, payload: make([]byte, 22)}.build(b))
	}
	return map[string][]*frame.Buf{"superframe": {tcpSuperframe(b, 60000, 1400)}, "64B": small}
}

func lengthOf(bufs []*frame.Buf) (n int64) {
	for _, b := range bufs {
		n += int64(b.Len())
	}
	return n
}

// BenchmarkEncapsulate is everything up to the system call.
func BenchmarkEncapsulate(b *testing.B) {
	for name, bufs := range loads(b) {
		b.Run(name, func(b *testing.B) {
			p := newPair(b, "127.0.0.1", Config{}, Config{})
			e := newEncapsulator(p.a)
			e.out.call = func(_ int, msgs []vectorio.Msg) (int, unix.Errno) { return len(msgs), 0 }
			var tally frame.Tally
			b.SetBytes(lengthOf(bufs))
			b.ReportAllocs()
			for b.Loop() {
				e.send(p.to, bufs, &tally)
			}
		})
	}
}

// BenchmarkDecapsulate is everything after the system call.
func BenchmarkDecapsulate(b *testing.B) {
	for name, bufs := range loads(b) {
		b.Run(name, func(b *testing.B) {
			v, _ := deafVTEP(b, Config{})
			e := newEncapsulator(v)
			var wire []byte
			seg := 0
			if bufs[0].Offload.GSO != frame.GSONone {
				segs, err := e.seg.Segment(bufs[0])
				if err != nil {
					b.Fatal(err)
				}
				for i := range segs {
					e.enqueue(0, &segs[i], 0)
				}
			} else {
				for _, f := range bufs {
					e.enqueue(0, f, 0)
				}
			}
			tr := e.lanes[0].trains[0]
			wire, seg = slices.Concat(tr.parts...), tr.seg

			// Coalescing makes the first packet's headers the superframe's.
			head := slices.Clone(wire[:seg])
			r := newRx(v)
			var batch frame.Batch
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				copy(wire, head)
				r.datagrams[0] = from(wire, seg)
				r.next, r.count = 0, 1
				batch.Reset()
				r.co.Begin(&batch)
				r.fill(&batch)
				r.co.Finish()
			}
		})
	}
}

// BenchmarkLoopback is out and in again, system calls and all.
func BenchmarkLoopback(b *testing.B) {
	for name, bufs := range loads(b) {
		b.Run(name, func(b *testing.B) {
			p := newPair(b, "127.0.0.1", Config{}, Config{})
			e := newEncapsulator(p.a)
			var batch frame.Batch
			var tally frame.Tally
			b.SetBytes(lengthOf(bufs))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.round(e, bufs, &batch, &tally); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
