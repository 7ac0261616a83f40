package perf

import (
	"context"
	"fmt"
	"net"
	"time"

	"weft/perf/report"
)

// learnWithin is enough for a million addresses at 50 000 a second.
const learnWithin = 20 * time.Second

// tableSizes is the measure of the rate of frames that are spread over all
// addresses of a table of ten, of ten thousand, and of many, and of that of many
// to that of ten. They are of as many flows each time, which a tunnel divides its
// frames by.
func tableSizes(p pace) measure {
	sizes := []int{10, 1e4, p.fill}
	m := measure{name: "fdb", quick: true, scene: twoHosts, frames: true, weft: true, fdbLimit: 2 * p.fill}
	for i, key := range []string{"fdb_few", "fdb_10k", "fdb_full"} {
		m.gives = append(m.gives, report.Quantity{
			Key: key, Title: "64 B frames to " + grouped(sizes[i]) + " addresses", Unit: "kframes/s", Group: "fdb",
		})
	}
	m.gives = append(m.gives, report.Quantity{
		Key: "fdb_ratio", Title: grouped(p.fill) + " addresses against 10", Unit: "ratio", Group: "fdb_ratio",
		Targets: []report.Target{{Reach: 0.9, Goal: 0.97}},
	})
	m.run = func(ctx context.Context, b *bench) ([]figure, error) {
		var rates []float64
		filled := 0
		for _, size := range sizes {
			if err := b.introduce(ctx, filled, size); err != nil {
				return nil, err
			}
			filled = size
			// A step that shares no factor with the size visits every one.
			step := 1
			if size > 10 {
				step = 7919
			}
			got, err := spray(ctx, b.a, b.b, b.tcp, 0, func(i int, frame []byte) {
				address(frame, station(i*step%size), b.a.MAC)
				flow(frame, i)
			})
			if err != nil {
				return nil, err
			}
			rates = append(rates, got.rate()/1e3)
		}
		return plainly(append(rates, rates[2]/rates[0])...), nil
	}
	return m
}

// introduce has stations at B, from one number to below another, send a frame
// each to the client of A, which both hosts learn them from. No flooding, so
// that this takes seconds.
func (b *bench) introduce(ctx context.Context, from, to int) error {
	n := to - from
	got, err := spray(ctx, b.b, b.a, learnWithin, n, func(i int, frame []byte) {
		address(frame, b.a.MAC, station(from+i%n))
	})
	// A frame in a thousand may be lost: its station's are flooded, here to the
	// same one peer.
	if err == nil && got.received < n-n/1000 {
		err = fmt.Errorf("%d of %d stations were heard", got.received, n)
	}
	return err
}

// grouped is a count as people read it: "100 000".
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s %03d", grouped(n/1000), n%1000)
}

// flood is the measure of how many copies of broadcasts a second go to so many
// remote VTEPs. One of them is there and is counted at.
func flood(vteps int) measure {
	return measure{
		name: fmt.Sprintf("flood%d", vteps), scene: twoHosts, frames: true, vteps: vteps,
		gives: []report.Quantity{{
			Key: fmt.Sprintf("flood%d", vteps), Title: fmt.Sprintf("copies of broadcasts to %d VTEPs", vteps), Unit: "kframes/s", Group: "flood",
		}},
		run: func(ctx context.Context, b *bench) ([]figure, error) {
			broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
			got, err := spray(ctx, b.a, b.b, b.tcp, 0, func(_ int, frame []byte) { address(frame, broadcast, b.a.MAC) })
			return plainly(got.rate() * float64(vteps) / 1e3), err
		},
	}
}
