package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"weft/impair"
	"weft/internal/netns"
)

const (
	links   = 100
	setting = 20 * time.Millisecond
	small   = 64 // bytes of UDP
)

// throughDaemon measures links of a daemon of its own.
func throughDaemon(r *report, weft string) error {
	if err := netns.TUNUsable(); err != nil {
		return err
	}
	g, err := newRig(weft)
	defer g.close()
	if err != nil {
		return err
	}
	if err := g.addHosts(2); err != nil {
		return err
	}
	m := &daemonMeasures{report: r, rig: g}
	for _, measure := range []func() error{m.delay, m.directions, m.loss, m.seed, m.rate, m.tcp, m.many} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

type daemonMeasures struct {
	*report
	*rig
}

// measureDelay sends for three seconds, and says what else there was to do.
func (m *daemonMeasures) measureDelay(part, what string, from int, to []int, rate int, delay time.Duration) error {
	m.begin(part, what, 3*time.Second)
	load := observe(m.daemon.Process.Pid)
	rx, err := m.send(from, to, 3*rate, rate, small, delay)
	if err != nil {
		return err
	}
	row := delayRow(what, rx.delays, 3*rate, delay, delay != 0)
	row.Busy = load.since()
	m.add(row)
	return nil
}

func (m *daemonMeasures) delay() error {
	for _, d := range []time.Duration{0, setting} {
		if err := m.set(1, impair.Both{To: impair.Spec{Delay: d}}); err != nil {
			return err
		}
		for _, rate := range []int{1000, 10000, 50000} {
			err := m.measureDelay("through the daemon, one link", fmt.Sprintf("delay %v, %d frames/s", d, rate), 0, []int{1}, rate, d)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// directions has a delay one way and another the other way.
func (m *daemonMeasures) directions() error {
	to, from := setting, 5*time.Millisecond
	if err := m.set(1, impair.Both{To: impair.Spec{Delay: to}, From: impair.Spec{Delay: from}}); err != nil {
		return err
	}
	if err := m.measureDelay(m.part, "20ms to and 5ms from: to, 10000/s", 0, []int{1}, 10000, to); err != nil {
		return err
	}
	return m.measureDelay(m.part, "20ms to and 5ms from: from, 10000/s", 1, []int{0}, 10000, from)
}

func (m *daemonMeasures) loss() error {
	for _, share := range []float64{0.01, 0.1} {
		if err := m.set(1, impair.Both{To: impair.Spec{Loss: impair.Share(share)}}); err != nil {
			return err
		}
		const n = 60_000
		what := fmt.Sprintf("loss %g%%", share*100)
		m.begin(m.part, what, 3*time.Second)
		before, err := m.client.Port(context.Background(), portName(1))
		if err != nil {
			return err
		}
		rx, err := m.send(0, []int{1}, n, n/3, small, 0)
		if err != nil {
			return err
		}
		after, err := m.client.Port(context.Background(), portName(1))
		if err != nil {
			return err
		}
		row := lossRow(what, n, n-len(rx.delays), share)
		counted := after.Drops["link_loss"] - before.Drops["link_loss"]
		row.Values["counted"] = float64(counted)
		row.text += fmt.Sprintf("; counted as link_loss: %d of %d", counted, n-len(rx.delays))
		m.add(row)
	}
	return nil
}

// seed has the same frames lost and the same doubled, twice. The order is left
// out: two copies of a frame arrive at the same moment.
func (m *daemonMeasures) seed() error {
	spec := impair.Spec{Delay: time.Millisecond, Loss: 0.1, Duplicate: 0.05, Seed: 7}
	const n = 20_000
	m.begin(m.part, "seed", 5*time.Second)
	var runs [2][]int
	for i := range runs {
		if err := m.set(1, impair.Both{}); err != nil {
			return err
		}
		if err := m.set(1, impair.Both{To: spec}); err != nil {
			return err
		}
		rx, err := m.send(0, []int{1}, n, n/2, small, spec.Delay)
		if err != nil {
			return err
		}
		slices.Sort(rx.numbers)
		runs[i] = rx.numbers
	}
	same := slices.Equal(runs[0], runs[1])
	text := fmt.Sprintf("the same %d frames arrive twice", len(runs[0]))
	if !same {
		text = fmt.Sprintf("%d frames arrive, then %d, not the same ones", len(runs[0]), len(runs[1]))
	}
	m.add(sayRow("loss 10%, duplicate 5%, seed 7, twice", text, same))
	return nil
}

// rate sends twice what a link takes.
func (m *daemonMeasures) rate() error {
	for _, rate := range []impair.Rate{10_000_000, 100_000_000} {
		if err := m.set(1, impair.Both{To: impair.Spec{Rate: rate, Limit: 100}}); err != nil {
			return err
		}
		const size, headers = 1472, 14 + 20 + 8 // Ethernet, IPv4, UDP
		perSecond := 2 * int(rate) / 8 / (size + headers)
		what := fmt.Sprintf("rate %v, sent twice that", rate)
		m.begin(m.part, what, 3*time.Second)
		rx, err := m.send(0, []int{1}, 3*perSecond, perSecond, size, 0)
		if err != nil {
			return err
		}
		frames := len(rx.delays) - 1 // the first frame's own time is before the first arrival
		m.add(rateRow(what, float64(frames*(size+headers))*8/time.Duration(rx.last-rx.first).Seconds(), float64(rate)))
	}
	return nil
}

// tcp runs one stream over a link of 100 Mb/s with 20 ms each way.
func (m *daemonMeasures) tcp() error {
	both := impair.Both{To: impair.Spec{Rate: 100_000_000, Delay: setting}, From: impair.Spec{Delay: setting}}
	if err := m.set(1, both); err != nil {
		return err
	}
	what := "TCP, rate 100mbit, delay 20ms each way"
	m.begin(m.part, what, 10*time.Second)
	load := observe(m.daemon.Process.Pid)
	got, err := m.stream(2*time.Second, 8*time.Second)
	if err != nil {
		return err
	}
	// An Ethernet frame of 1514 bytes carries 1448 of TCP with timestamps.
	const share = 1448.0 / 1514
	row := sayRow(what, fmt.Sprintf("%.2f Mb/s of payload, %.1f %% of what frames leave for it", got/1e6, got/1e6/share), got/1e6 >= 95)
	row.Values, row.Busy = map[string]float64{"payload_bits_per_second": got}, load.since()
	m.add(row)
	return m.set(1, impair.Both{})
}

// many is a hundred links at once.
func (m *daemonMeasures) many() error {
	part := fmt.Sprintf("through the daemon, %d links at once", links)
	m.begin(part, "make hosts", 3*time.Second)
	if err := m.addHosts(links + 1); err != nil {
		return err
	}
	for _, d := range []time.Duration{0, setting} {
		var to []int
		for i := 1; i <= links; i++ {
			to = append(to, i)
			if err := m.set(i, impair.Both{To: impair.Spec{Delay: d}}); err != nil {
				return err
			}
		}
		for _, each := range []int{100, 250, 500} {
			if err := m.measureDelay(part, fmt.Sprintf("delay %v, %d frames/s each", d, each), 0, to, links*each, d); err != nil {
				return err
			}
		}
	}
	return nil
}
