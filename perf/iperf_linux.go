package perf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"weft/perf/load"
)

// iperf3 measures as people do. Its loop costs more than that of package load,
// on the processor that everything shares, so a fast path shows less of its
// speed; it is here because other figures that are around come from it.
func iperf3(ctx context.Context, b *bench, p pattern) (float64, error) {
	from, to := b.ends(p)
	bps, err := runIperf(ctx, from, to, p.streams, b.tcp)
	return bps / 1e9, err
}

func runIperf(ctx context.Context, from, to load.End, streams int, d time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	server := exec.CommandContext(ctx, "iperf3", "--server", "--one-off", "--forceflush")
	listening := newFirstLine()
	server.Stdout = listening
	if err := to.Host.Start(server); err != nil {
		return 0, err
	}
	defer func() {
		cancel()
		_ = server.Wait() // killed, or done
	}()
	select {
	case <-listening.seen:
	case <-ctx.Done():
		return 0, fmt.Errorf("iperf3 does not listen: %w", ctx.Err())
	}
	var out bytes.Buffer
	client := exec.CommandContext(ctx, "iperf3", "--client", to.Addr.String(), "--json",
		"--time", fmt.Sprint(max(1, int(d.Seconds()))), "--parallel", fmt.Sprint(streams))
	client.Stdout = &out
	if err := from.Host.Start(client); err != nil {
		return 0, err
	}
	err := client.Wait()
	var said struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				BPS float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if jsonErr := json.Unmarshal(out.Bytes(), &said); err == nil {
		err = jsonErr
	}
	if said.Error != "" {
		err = errors.New(said.Error) // says more than its exit code
	}
	if err != nil {
		return 0, fmt.Errorf("iperf3: %w", err)
	}
	return said.End.Received.BPS, nil
}

// firstLine says when something has been written to it.
type firstLine struct {
	seen chan struct{}
	done bool
}

func newFirstLine() *firstLine { return &firstLine{seen: make(chan struct{})} }

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.done {
		f.done = true
		close(f.seen)
	}
	return len(p), nil
}
