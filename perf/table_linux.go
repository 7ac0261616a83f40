package perf

import (
	"context"
	"fmt"
	"math"
	"net"
	"time"

	"weft/perf/report"
	"weft/perf/systems"
)

// learnWithin is enough for a million addresses at 50 000 a second.
const learnWithin = 20 * time.Second

// tableSizes gives the rate of frames that are spread over all addresses of a
// table of ten, of ten thousand, and of many, and that of many to that of ten.
func tableSizes(ctx context.Context, b *bench) ([]float64, error) {
	var rates []float64
	filled := 0
	for _, size := range []int{10, 1e4, b.fill} {
		// Each station sends a frame to the client of A, which both hosts
		// learn it from. No flooding, so that this takes seconds.
		got, err := spray(ctx, b.b, b.a, learnWithin, size-filled, func(i int, dst, src net.HardwareAddr) {
			copy(dst, b.a.MAC)
			copy(src, station(filled+i%(size-filled)))
		})
		if err != nil {
			return nil, err
		}
		if got.received < size-filled {
			return nil, fmt.Errorf("%d of %d stations were heard", got.received, size-filled)
		}
		filled = size
		// A step that shares no factor with the size visits every one.
		step := 1
		if size > 10 {
			step = 7919
		}
		got, err = spray(ctx, b.a, b.b, b.tcp, 0, func(i int, dst, src net.HardwareAddr) {
			copy(dst, station(i*step%size))
			copy(src, b.a.MAC)
		})
		if err != nil {
			return nil, err
		}
		rates = append(rates, got.rate()/1e3)
	}
	return append(rates, rates[2]/rates[0]), nil
}

// flood is the measure of how many copies of broadcasts a second go to so many
// remote VTEPs. One of them is there and is counted at.
func flood(vteps int) measure {
	return measure{
		name: fmt.Sprintf("flood%d", vteps), scene: twoHosts, frames: true, weft: true,
		shape: func(s *systems.Shape) { s.Absent = vteps - 1 },
		gives: []report.Quantity{{
			Key: fmt.Sprintf("flood%d", vteps), Title: fmt.Sprintf("copies of broadcasts to %d VTEPs", vteps), Unit: "kframes/s", Group: "flood",
		}},
		run: func(ctx context.Context, b *bench) ([]float64, error) {
			got, err := spray(ctx, b.a, b.b, b.tcp, 0, func(_ int, dst, src net.HardwareAddr) {
				for i := range dst {
					dst[i] = math.MaxUint8
				}
				copy(src, b.a.MAC)
			})
			return []float64{got.rate() * float64(vteps) / 1e3}, err
		},
	}
}
