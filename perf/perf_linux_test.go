package perf

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"weft/internal/netnstest"
	"weft/perf/report"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// tinyPace is too short for figures and long enough for mistakes.
var tinyPace = pace{
	tcp: 400 * time.Millisecond, trial: 5 * time.Millisecond, rtt: 50 * time.Millisecond, idle: 100 * time.Millisecond,
	lowest: 1000, highestRate: 1000, grant: 0.9, fill: 20_000, addresses: 100, learned: 50,
}

// compareTiny takes measures of systems once, in a hurry.
func compareTiny(t *testing.T, systems, measures []string) *comparison {
	t.Helper()
	_ = netnstest.NewHost(t, "permitted").Close() // skips where namespaces are forbidden
	weft := filepath.Join(t.TempDir(), "weft")
	if out, err := exec.Command("go", "build", "-o", weft, "weft/cmd/weft").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var said bytes.Buffer
	o := Options{Weft: weft, Systems: systems, Measures: measures, Rounds: 1, Out: t.TempDir(), Stdout: &said, Stderr: &said}
	if err := o.normalize(); err != nil {
		t.Fatal(err)
	}
	c, err := newComparison(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.pace = tinyPace
	err = errors.Join(c.interleave(t.Context()), c.publish())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.result.Problems {
		t.Errorf("%s of %s: %s", p.Measure, p.System, p.Error)
	}
	t.Logf("%s", said.String())

	return c
}

// TestEveryMeasure takes every measure of weft and of the kernel once, for
// correctness: the figures mean nothing, but all of them are there.
func TestEveryMeasure(t *testing.T) {
	c := compareTiny(t, []string{"weft", "kernel", "bridge"}, nil)
	for i := range c.measures {
		m := &c.measures[i]
		for _, s := range c.systems {
			for _, q := range m.gives {
				if got := c.result.Of(q.Key, s.Name); c.takes(m, s) && got.N != 1 {
					t.Errorf("%s of %s: %d samples", q.Key, s.Name, got.N)
				}
			}
		}
	}
	back, err := report.Load(filepath.Join(c.o.Out, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Samples) != len(c.result.Samples) || len(back.Samples) == 0 {
		t.Errorf("%d samples saved of %d", len(back.Samples), len(c.result.Samples))
	}
}
