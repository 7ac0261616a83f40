package offload

import (
	"fmt"
	"testing"

	"weft/frame"
)

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1500, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			var s uint64
			for b.Loop() {
				s = Sum(buf, s&0xffff)
			}
		})
	}
}

func BenchmarkSegment(b *testing.B) {
	for _, k := range []spec{{flags: flagACK, stamps: true}, {udp: true}} {
		b.Run(fmt.Sprintf("udp=%v", k.udp), func(b *testing.B) {
			k.payload = make([]byte, 65535-20-32)
			super := k.super(b, 1448)
			s := NewSegmenter()
			b.SetBytes(int64(super.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Segment(super); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The payload of 45 segments of 1448 bytes is what fits in one superframe.
func BenchmarkCoalesce(b *testing.B) {
	mems := bulk(b, 45, 1448)
	batch, c := new(frame.Batch), new(Coalescer)
	b.SetBytes(45 * 1448)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		c.Begin(batch)
		for _, m := range mems {
			c.Add(m, frame.Headroom, 42, 3)
		}
		c.Finish()
		restore(batch, mems)
	}
}

// Nothing to merge: each frame is of a flow of its own.
func BenchmarkCoalesceSmall(b *testing.B) {
	var mems [][]byte
	for i := range frame.BatchSize {
		k := tcp4(make([]byte, 10))
		k.sport += uint16(i)
		mems = append(mems, withHeadroom(k.build(b)))
	}
	batch, c := new(frame.Batch), new(Coalescer)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		c.Begin(batch)
		for _, m := range mems {
			c.Add(m, frame.Headroom, 42, 3)
		}
		c.Finish()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frame.BatchSize, "ns/frame")
}

func BenchmarkHeaders(b *testing.B) {
	four := tcp4(make([]byte, 100))
	six := four
	six.v6 = true
	for _, k := range []spec{four, six} {
		f := k.build(b)
		buf := bufOf(f)
		for name, run := range map[string]func(){
			"Parse":    func() { Parse(f) },
			"FlowHash": func() { FlowHash(f) },
			"Adopt":    func() { Adopt(buf, 0, 1464) },
		} {
			b.Run(fmt.Sprintf("%s/v6=%v", name, k.v6), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
	}
}
