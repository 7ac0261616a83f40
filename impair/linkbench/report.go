package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// payload is what every datagram and frame carries at its end, in bytes: when
// it was sent, in nanoseconds since epoch.
const payload = 8

var epoch = time.Now()

func stamp(b []byte) { binary.BigEndian.PutUint64(b[len(b)-payload:], uint64(time.Since(epoch))) }

func age(b []byte) time.Duration {
	return time.Since(epoch) - time.Duration(binary.BigEndian.Uint64(b[len(b)-payload:]))
}

// delays collects what arrived.
type delays struct {
	mu   sync.Mutex
	list []time.Duration
}

func (d *delays) add(age time.Duration) {
	d.mu.Lock()
	d.list = append(d.list, age)
	d.mu.Unlock()
}

// print shows the error against the setting.
func (d *delays) print(what string, sent int, setting time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		fmt.Printf("  %-34s nothing arrived\n", what)
		return
	}
	slices.Sort(d.list)
	var sum time.Duration
	for _, a := range d.list {
		sum += a
	}
	at := func(p float64) time.Duration { return d.list[int(p*float64(len(d.list)-1))] - setting }
	mean := sum/time.Duration(len(d.list)) - setting
	fmt.Printf("  %-34s mean %+.3f ms   p50 %+.3f   p99 %+.3f   worst %+.3f   %d of %d\n", what,
		ms(mean), ms(at(0.5)), ms(at(0.99)), ms(at(1)), len(d.list), sent)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// printLoss shows the loss with the 99 % confidence interval of the setting.
func printLoss(what string, sent, lost int, setting float64) {
	// 2.576 standard deviations hold 99 % of a normal distribution.
	half := 2.576 * math.Sqrt(setting*(1-setting)/float64(sent))
	got := float64(lost) / float64(sent)
	verdict := "within"
	if math.Abs(got-setting) > half {
		verdict = "OUTSIDE"
	}
	fmt.Printf("  %-34s %.4f %%   %s %.4f..%.4f %%   %d frames\n", what, got*100, verdict,
		(setting-half)*100, (setting+half)*100, sent)
}

// pace calls send for each of n frames at a rate a second, in bursts of 100
// microseconds where that is more than one.
func pace(n, rate int, send func(i int)) {
	every := max(time.Second/time.Duration(rate), 100*time.Microsecond)
	each := max(1, int(time.Duration(rate)*every/time.Second))
	next := time.Now()
	for i := 0; i < n; {
		for range min(each, n-i) {
			send(i)
			i++
		}
		next = next.Add(every)
		sleepUntil(next)
	}
}
