package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"weft/ctl"
)

// watchEvery is how often --watch asks; rates are over this time.
const watchEvery = time.Second

func (a *app) statsCmd() *cobra.Command {
	var drops, watch bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show the traffic of everything together",
		Long: `Show the traffic of everything together, in frames as they are on a wire.
--drops lists why frames were dropped, and where. --watch shows it again every
second, with rates, until interrupted, which is its good end.`,
		Example: "  weft stats\n  weft stats --drops\n  weft stats --watch",
		Args:    args(),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, _ []string) error {
			v := statsView{app: a, client: c, drops: drops}
			if watch {
				return v.watch(ctx)
			}
			return v.once(ctx, v.out)
		}),
	}
	cmd.Flags().BoolVar(&drops, "drops", false, "list the drops by reason and place")
	cmd.Flags().BoolVar(&watch, "watch", false, "show again every second, with rates")
	return cmd
}

// statsView shows the counters, once or again and again.
type statsView struct {
	*app
	client *ctl.Client
	drops  bool

	last   ctl.Stats
	lastAt time.Time // zero before the first
}

// watch ends without an error when ctx does.
func (v *statsView) watch(ctx context.Context) error {
	out, ok := v.out.(*os.File)
	terminal := ok && isTerminal(out)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		var block bytes.Buffer
		err := v.once(ctx, &block)
		if err == nil && terminal {
			err = redraw(v.out, block.Bytes(), first)
		} else if err == nil {
			_, err = block.WriteTo(v.out)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			if terminal { // it shows ^C where the shell's prompt is to be
				_, err = fmt.Fprintln(v.out)
				return err
			}
			return nil
		case <-tick.C:
		}
	}
}

// redraw shows a block from the top of a terminal, in one write and over the
// last one, so that nobody sees an empty screen in between. Only the first
// clears it, which many terminals keep to scroll back to.
func redraw(w io.Writer, block []byte, first bool) error {
	const (
		home      = "\x1b[H"  // ECMA-48, CUP
		erase     = "\x1b[2J" // ED, all
		eraseLine = "\x1b[K"  // EL, to the end
		eraseRest = "\x1b[J"  // ED, to the end
	)
	start := home
	if first {
		start = erase + home
	}
	lines := bytes.ReplaceAll(block, []byte("\n"), []byte(eraseLine+"\n"))
	_, err := w.Write(slices.Concat([]byte(start), lines, []byte(eraseRest)))
	return err
}

func (v *statsView) once(ctx context.Context, w io.Writer) error {
	s, err := v.client.Stats(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	since := now.Sub(v.lastAt)
	if v.lastAt.IsZero() {
		since = 0
	}
	last := v.last
	v.last, v.lastAt = s, now
	if v.json {
		return printJSON(w, s)
	}
	if err := printTraffic(w, s, last, since); err != nil || !v.drops {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return v.printDrops(ctx, w, s)
}

// printTraffic adds rates when there is a time to compute them over.
func printTraffic(w io.Writer, s, last ctl.Stats, since time.Duration) error {
	rate := func(now, then, unit uint64) string {
		if since == 0 || now < then {
			return ""
		}
		return fmt.Sprintf("%.0f", float64((now-then)*unit)/since.Seconds())
	}
	heads := []string{"", ">FRAMES", ">BYTES"}
	if since != 0 {
		heads = append(heads, ">FRAMES/S", ">BITS/S")
	}
	t := newTable(heads...)
	row := func(cells ...any) { t.row(cells[:len(heads)]...) }
	row("received", s.RxFrames, s.RxBytes, rate(s.RxFrames, last.RxFrames, 1), rate(s.RxBytes, last.RxBytes, 8))
	row("sent", s.TxFrames, s.TxBytes, rate(s.TxFrames, last.TxFrames, 1), rate(s.TxBytes, last.TxBytes, 8))
	d := dropSum(s.Drops)
	row("dropped", d, "", rate(d, dropSum(last.Drops), 1), "")
	return t.print(w)
}

// printDrops lists the reasons of everything together, and those of each port and peer.
func (v *statsView) printDrops(ctx context.Context, w io.Writer, s ctl.Stats) error {
	ports, err := v.client.Ports(ctx, "")
	if err != nil {
		return err
	}
	peers, err := v.client.Peers(ctx)
	if err != nil {
		return err
	}
	t := newTable("WHERE", "REASON", ">FRAMES")
	add := func(where string, drops map[string]uint64) {
		for _, reason := range slices.Sorted(maps.Keys(drops)) {
			t.row(where, reason, drops[reason])
		}
	}
	add("total", s.Drops)
	for _, p := range ports {
		add("port "+p.Name, p.Drops)
	}
	for _, p := range peers {
		add("peer "+p.Address, p.Drops)
	}
	return t.print(w)
}
