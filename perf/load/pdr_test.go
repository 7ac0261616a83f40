package load

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// device passes up to a rate, and loses all above; odd says which trials end
// the other way round.
func device(limit float64, odd func(trial int) bool) func(float64) (BlastResult, error) {
	trial := 0
	return func(rate float64) (BlastResult, error) {
		passes := rate <= limit
		if odd(trial) {
			passes = !passes
		}
		trial++
		r := BlastResult{OfferedRate: rate}
		if !passes {
			r.Loss = 1
		}
		return r, nil
	}
}

func TestFind(t *testing.T) {
	never := func(int) bool { return false }
	for _, limit := range []float64{1000, 1001, 54321, 777777, 1e6 - 1} {
		got, trials, err := find(device(limit, never), 0, 1000, 1e6, nil)
		if err != nil || got > limit || got*resolution < limit {
			t.Errorf("limit %v: found %v, %v", limit, got, err)
		}
		if len(trials) > 16 {
			t.Errorf("limit %v: %d trials", limit, len(trials))
		}
		// Whichever single trial goes wrong, the answer stays.
		for wrong := range len(trials) {
			got, _, err := find(device(limit, func(n int) bool { return n == wrong }), 0, 1000, 1e6, nil)
			if err != nil || got > limit || got*resolution*1.0001 < limit {
				t.Errorf("limit %v, trial %d wrong: found %v, %v", limit, wrong, got, err)
			}
		}
	}
}

func TestFindBounds(t *testing.T) {
	never := func(int) bool { return false }
	for _, c := range []struct{ limit, lo, hi, want float64 }{
		{5, 10, 1000, 0},       // even the lowest fails
		{5000, 10, 1000, 1000}, // even the highest passes
		{5000, 100, 100, 100},
		{50, 100, 100, 0},
	} {
		got, trials, err := find(device(c.limit, never), 0, c.lo, c.hi, nil)
		if err != nil || got != c.want {
			t.Errorf("limit %v in %v to %v: %v, %v", c.limit, c.lo, c.hi, got, err)
		}
		at := 0
		for _, tr := range trials {
			if got != 0 && tr.Rate == got && tr.Passed {
				at++
			}
		}
		if got != 0 && at < enough {
			t.Errorf("%v passed %d times", got, at)
		}
	}
	for _, c := range [][2]float64{{0, 1}, {2, 1}, {-1, 1}} {
		if _, _, err := find(device(1, never), 0, c[0], c[1], nil); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
	broken := errors.New("broken")
	if _, _, err := find(func(float64) (BlastResult, error) { return BlastResult{}, broken }, 0, 1, 2, nil); !errors.Is(err, broken) {
		t.Errorf("the trial's error is lost: %v", err)
	}
}

// TestFindEnds: a device that cannot make up its mind does not hold the search.
func TestFindEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		got, trials, err := find(device(1e9, func(int) bool { return r.IntN(2) == 0 }), 0, 10, 1e6, nil)
		if err != nil || len(trials) > maxTrials || got < 0 || got > 1e6 {
			t.Errorf("%v after %d trials, %v", got, len(trials), err)
		}
	}
}

// TestFindGenerator: no rate passes that the generator did not keep.
func TestFindGenerator(t *testing.T) {
	const pace = 400
	got, trials, err := find(func(rate float64) (BlastResult, error) {
		return BlastResult{OfferedRate: min(rate, pace)}, nil
	}, 0, 10, 10000, nil)
	if err != nil || got > pace/0.98 || got*resolution < pace {
		t.Errorf("found %v, %v", got, err)
	}
	behind := 0
	for _, tr := range trials {
		if tr.Behind {
			behind++
		}
	}
	if behind == 0 {
		t.Error("no trial says that the generator was behind")
	}
	// What was offered and arrived counts, as it was offered, and only then.
	uneven := []float64{300, 390, 390, 350}
	lossy := func(loss float64) func(float64) (BlastResult, error) {
		n := 0
		return func(rate float64) (BlastResult, error) {
			n++
			if rate < 200 {
				return BlastResult{OfferedRate: rate}, nil
			}
			return BlastResult{OfferedRate: uneven[n%len(uneven)], Loss: loss}, nil
		}
	}
	if got, _, err := find(lossy(0), 0, 100, 10000, nil); err != nil || got < 350 || got > 390/0.98 {
		t.Errorf("found %v, %v", got, err)
	}
	if got, _, err := find(lossy(0.1), 0, 100, 10000, nil); err != nil || got >= 200 {
		t.Errorf("with loss found %v, %v", got, err)
	}
}

func TestRates(t *testing.T) {
	r := BlastResult{Sent: [2]uint64{1000, 500}, Received: [2]uint64{900, 510}}
	r.rates(2 * time.Second)
	if r.OfferedRate != 250 || r.ReceivedRate != 255 || r.Loss != 100.0/1500 {
		t.Errorf("%+v", r)
	}
}

func TestLatency(t *testing.T) {
	samples := make([]uint32, 1000)
	for i := range samples {
		samples[i] = uint32((i*7)%1000 + 1) // 1 to 1000, shuffled
	}
	want := Latency{P50: 500, P99: 990, P999: 999, Min: 1, Max: 1000, Mean: 500, Count: 1000, Lost: 3}
	if got := latencyOf(samples, 3); got != want {
		t.Errorf("%+v", got)
	}
	want = Latency{P50: 5, P99: 5, P999: 5, Min: 5, Max: 5, Mean: 5, Count: 1}
	if got := latencyOf([]uint32{5}, 0); got != want {
		t.Errorf("%+v", got)
	}
	if got := latencyOf(nil, 2); got != (Latency{Lost: 2}) {
		t.Errorf("%+v", got)
	}
}
