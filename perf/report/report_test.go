package report

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// example is two rounds of weft, the kernel and two others. The machine is
// twice as fast in the second, which no ratio must show.
func example() *Run {
	r := &Run{
		Rounds: 2, Form: "quick", MTU: 1500,
		Systems: []System{
			{Name: "weft", Scene: "two hosts", Userspace: true, Weft: true},
			{Name: "kernel", Scene: "two hosts"},
			{Name: "slow", Scene: "two hosts", Userspace: true},
			{Name: "slower", Scene: "two hosts", Userspace: true},
			{Name: "gone", Scene: "two hosts", Userspace: true, Missing: "no gone here (apt-get install gone)"},
		},
		Measured: []Quantity{
			{
				Key: "speed", Title: "Speed", Unit: "Gbit/s", Kernel: "kernel", Scene: "two hosts",
				Targets: []Target{{Against: "kernel", Reach: 0.8, Goal: 1}, {Against: Userspace, Reach: 4, Goal: 6}},
			},
			{
				Key: "wait", Title: "Wait", Unit: "µs", Lower: true, Kernel: "kernel", Scene: "two hosts",
				Targets: []Target{{Reach: 15, Goal: 1}, {Against: "gone", Reach: 1, Goal: 1}},
			},
		},
		Problems: []Problem{{Measure: "speed", System: "gone", Round: 1, Error: "did not start"}},
	}
	for round, factor := range []float64{1, 2} {
		for system, v := range map[string]float64{"weft": 6, "kernel": 10, "slow": 1, "slower": 0.5} {
			r.Samples = append(r.Samples,
				Sample{Quantity: "speed", System: system, Round: round + 1, Value: v * factor},
				Sample{Quantity: "wait", System: system, Round: round + 1, Value: 100 / v / factor})
		}
	}
	return r
}

func TestStat(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want Stat
	}{
		{nil, Stat{}},
		{[]float64{3}, Stat{3, 3, 3, 1}},
		{[]float64{3, 1, 10}, Stat{3, 1, 10, 3}},
		{[]float64{4, 1, 3, 2}, Stat{2.5, 1, 4, 4}},
	} {
		if got := stat(c.in); got != c.want {
			t.Errorf("stat(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestRatioIsPaired(t *testing.T) {
	r := example()
	if got, want := r.Ratio("speed", "weft", "kernel"), (Stat{0.6, 0.6, 0.6, 2}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	// A round that one of them lacks does not count.
	r.Samples = append(r.Samples, Sample{Quantity: "speed", System: "weft", Round: 3, Value: 1000}, Sample{Quantity: "speed", System: "weft", Round: 4, Value: 1000}, Sample{Quantity: "speed", System: "kernel", Round: 4, Value: 0})
	if got := r.Ratio("speed", "weft", "kernel"); got.N != 2 || got.Max != 0.6 {
		t.Errorf("with unpaired rounds: %v", got)
	}
}

func TestBestOther(t *testing.T) {
	r := example()
	for _, q := range r.Measured {
		if got := r.BestOther(q); got != "slow" {
			t.Errorf("%s: %q", q.Key, got)
		}
	}
	if got := r.BestOther(Quantity{Key: "unknown"}); got != "" {
		t.Errorf("nothing was measured: %q", got)
	}
}

func TestOutcomes(t *testing.T) {
	type outcome struct {
		Key, Against string
		Got          float64
		Reached      bool
	}
	var got []outcome
	for _, o := range example().Outcomes() {
		got = append(got, outcome{o.Quantity.Key, o.Against, o.Got.Median, o.Reached})
	}
	want := []outcome{
		{"speed", "kernel", 0.6, false},
		{"speed", "slow", 6, true},
		{"wait", "", 12.5, true},
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestSays looks for what must not be left out of what people read.
func TestSays(t *testing.T) {
	var table, page bytes.Buffer
	if err := example().Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := example().Markdown(&page, []Image{{"Speed", "speed.svg"}}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{table.String(), page.String()} {
		for _, want := range []string{"Speed", "9.00", "0.60", "6.00 (slow)", "not reached", "≤ 15.0 µs", "apt-get install gone", "did not start"} {
			if !strings.Contains(text, want) {
				t.Errorf("does not say %q:\n%s", want, text)
			}
		}
	}
	if !strings.Contains(page.String(), "(speed.svg)") {
		t.Error("the page has no plot")
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0001234: "0.00012", 0.5: "0.50", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 12345.6: "12346",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	want := example()
	want.Samples[0].Setting, want.Samples[0].Tried = "2 senders", []Tried{{"1 sender", 1}, {"2 senders", 6}}
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	order := func(r *Run) {
		slices.SortFunc(r.Samples, func(a, b Sample) int {
			return cmp.Or(cmp.Compare(a.Round, b.Round), cmp.Compare(a.Quantity, b.Quantity), cmp.Compare(a.System, b.System))
		})
	}
	order(want)
	order(back)
	if d := gocmp.Diff(want, back); d != "" {
		t.Error(d)
	}
}
