package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/perf"
	"weft/perf/report"
)

// TestPage draws a run and looks at what must be in it.
func TestPage(t *testing.T) {
	r := &report.Run{
		Systems: []report.System{
			{Name: "weft", Scene: "two hosts", Userspace: true, Weft: true},
			{Name: "kernel", Scene: "two hosts"},
			{Name: "never", Scene: "two hosts", Userspace: true},
		},
		Measured: []report.Quantity{
			{Key: "a", Title: "The first", Unit: "Gbit/s", Group: "tcp", Kernel: "kernel", Scene: "two hosts"},
			{Key: "b", Title: "The second", Unit: "Gbit/s", Group: "tcp", Kernel: "kernel", Scene: "two hosts"},
			{Key: "c", Title: "Waiting", Unit: "µs", Lower: true, Group: "rtt", Kernel: "kernel", Scene: "two hosts"},
			{Key: "d", Title: "Nothing", Unit: "µs", Lower: true, Group: "loaded", Kernel: "kernel", Scene: "two hosts"},
		},
	}
	for i, v := range []float64{1, 2, 4} {
		r.Samples = append(r.Samples,
			report.Sample{Quantity: "a", System: "weft", Round: i, Value: v},
			report.Sample{Quantity: "a", System: "kernel", Round: i, Value: 2 * v},
			report.Sample{Quantity: "b", System: "weft", Round: i, Value: 0}, // as an idle daemon
			report.Sample{Quantity: "c", System: "weft", Round: i, Value: 100 * v},
			report.Sample{Quantity: "c", System: "kernel", Round: i, Value: 10 * v})
	}
	dir := t.TempDir()
	if err := r.Save(filepath.Join(dir, perf.ResultsFile)); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "stale.svg")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("a plot of another run is still there")
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"tcp.svg": {"The first", "The second", "weft", "kernel", "4.00", "Gbit/s, higher is better"},
		"rtt.svg": {"Waiting", "20.0", "200", "lower is better, logarithmic scale"},
	} {
		svg, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := wellFormed(string(svg)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, w := range want {
			if !strings.Contains(string(svg), w) {
				t.Errorf("%s does not say %q", file, w)
			}
		}
		for _, bad := range []string{"NaN", "Inf", "never"} {
			if strings.Contains(string(svg), bad) {
				t.Errorf("%s has %s", file, bad)
			}
		}
		if !strings.Contains(string(page), fmt.Sprintf("(%s)", file)) {
			t.Errorf("the page does not show %s", file)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "loaded.svg")); err == nil {
		t.Error("a plot of nothing was drawn")
	}
}

func wellFormed(text string) error {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
