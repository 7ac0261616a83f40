package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestWeftAlone: without anything to compare with there is a table, and no
// empty columns of ratios.
func TestWeftAlone(t *testing.T) {
	r := example()
	r.Systems = r.Systems[:1]
	var table bytes.Buffer
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	text := table.String()
	if !strings.Contains(text, "Speed") || !strings.Contains(text, "9.00") {
		t.Errorf("no figures:\n%s", text)
	}
	if strings.Contains(text, "to kernel") || strings.Contains(text, "to best other") {
		t.Errorf("ratios to nothing:\n%s", text)
	}
}

// TestSaysFewerRounds: a median of fewer rounds than the run has says so, of
// all systems in the title and of one in its cell.
func TestSaysFewerRounds(t *testing.T) {
	r := example()
	var kept []Sample
	for _, s := range r.Samples {
		if s.Quantity == "wait" && s.Round == 2 || s.Quantity == "speed" && s.Round == 2 && s.System == "slow" {
			continue
		}
		kept = append(kept, s)
	}
	r.Samples = kept
	var table, page bytes.Buffer
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := r.Markdown(&page, nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{table.String(), page.String()} {
		for _, want := range []string{"Wait (1 round)", "1.00 (1 of 2 rounds)"} {
			if !strings.Contains(text, want) {
				t.Errorf("does not say %q:\n%s", want, text)
			}
		}
		if strings.Contains(text, "Speed (") {
			t.Errorf("a median of all rounds says how many:\n%s", text)
		}
	}
}
