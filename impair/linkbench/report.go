package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// What is asked of a link: a mean delay within meanLimit of the setting, all but
// one in a hundred within tailLimit, a rate within rateLimit.
const (
	meanLimit = 300 * time.Microsecond
	tailLimit = time.Millisecond
	rateLimit = 0.02
)

// Row is one measurement.
type Row struct {
	Part   string             `json:"part"`
	What   string             `json:"what"`
	Values map[string]float64 `json:"values"`           // by name and unit
	Within *bool              `json:"within,omitempty"` // what is asked; nil when nothing is
	Busy   *Busy              `json:"busy,omitempty"`

	text string
}

// report shows rows as they come, or all at the end as JSON.
type report struct {
	out      io.Writer // nil for JSON
	progress io.Writer
	rows     []Row
	part     string
	missed   int
}

// begin says what is measured next, and for how long nothing will be seen.
func (r *report) begin(part, what string, d time.Duration) {
	if r.part != part {
		r.part = part
		if r.out != nil {
			fmt.Fprintf(r.out, "\n%s\n", part)
		}
	}
	fmt.Fprintf(r.progress, "\r\033[K  %s, %v ...", what, d.Round(time.Second))
}

func (r *report) add(row Row) {
	row.Part = r.part
	r.rows = append(r.rows, row)
	fmt.Fprint(r.progress, "\r\033[K")
	verdict := ""
	if row.Within != nil && !*row.Within {
		verdict = "  OUTSIDE"
		r.missed++
	}
	if r.out != nil {
		fmt.Fprintf(r.out, "  %-40s %-74s%s%s\n", row.What, row.text, row.Busy, verdict)
	}
}

// end shows what is left to show.
func (r *report) end(out io.Writer) error {
	if r.out == nil {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r.rows)
	}
	_, err := fmt.Fprintf(r.out, "\n%d of %d figures with a limit are outside of it (mean %v, p99 %v, loss 99 %% interval, rate %g %%)\n",
		r.missed, r.limited(), meanLimit, tailLimit, rateLimit*100)
	return err
}

func (r *report) limited() (n int) {
	for _, row := range r.rows {
		if row.Within != nil {
			n++
		}
	}
	return n
}

// delayRow is the error of what arrived against the setting. Without a limit it
// is the rig's own.
func delayRow(what string, list []time.Duration, sent int, setting time.Duration, limited bool) Row {
	row := Row{What: what, Values: map[string]float64{"sent": float64(sent), "arrived": float64(len(list))}}
	if len(list) == 0 {
		row.text, row.Within = "nothing arrived", new(bool)
		return row
	}
	slices.Sort(list)
	var sum time.Duration
	for _, d := range list {
		sum += d
	}
	at := func(p float64) time.Duration { return list[int(p*float64(len(list)-1))] - setting }
	mean := sum/time.Duration(len(list)) - setting
	row.Values["mean_ms"], row.Values["p50_ms"], row.Values["p99_ms"], row.Values["worst_ms"] = ms(mean), ms(at(0.5)), ms(at(0.99)), ms(at(1))
	row.text = fmt.Sprintf("mean %+.3f ms  p50 %+.3f  p99 %+.3f  worst %+.3f", ms(mean), ms(at(0.5)), ms(at(0.99)), ms(at(1)))
	if lost := sent - len(list); lost != 0 {
		row.text += fmt.Sprintf("  %d lost", lost)
	}
	if limited {
		within := mean.Abs() <= meanLimit && at(0.99) <= tailLimit && len(list) == sent
		row.Within = &within
	}
	return row
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lossRow is the loss beside the 99 % confidence interval of the setting.
func lossRow(what string, sent, lost int, setting float64) Row {
	// 2.576 standard deviations hold 99 % of a normal distribution.
	half := 2.576 * math.Sqrt(setting*(1-setting)/float64(sent))
	got := float64(lost) / float64(sent)
	within := math.Abs(got-setting) <= half
	return Row{
		What: what, Within: &within, Values: map[string]float64{"sent": float64(sent), "lost": float64(lost), "loss_percent": got * 100},
		text: fmt.Sprintf("%.4f %%, asked %.4f to %.4f", got*100, (setting-half)*100, (setting+half)*100),
	}
}

// rateRow is a rate beside its setting, in bits a second.
func rateRow(what string, got, setting float64) Row {
	off := got/setting - 1
	within := math.Abs(off) <= rateLimit
	return Row{
		What: what, Within: &within, Values: map[string]float64{"bits_per_second": got, "off_percent": off * 100},
		text: fmt.Sprintf("%.5g Mb/s, %+.2f %%", got/1e6, off*100),
	}
}

// sayRow is what is true or not.
func sayRow(what, text string, within bool) Row {
	return Row{What: what, Within: &within, text: strings.TrimSpace(text)}
}
