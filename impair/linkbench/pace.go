package main

import (
	"encoding/binary"
	"time"
)

// Every datagram and frame carries at its end when it was sent, in nanoseconds
// since 1970, and its number.
const payload = 16

func stamp(b []byte, number int) {
	end := b[len(b)-payload:]
	binary.BigEndian.PutUint64(end, uint64(time.Now().UnixNano()))
	binary.BigEndian.PutUint64(end[8:], uint64(number))
}

// read gives what stamp wrote.
func read(b []byte) (sent int64, number int) {
	end := b[len(b)-payload:]
	return int64(binary.BigEndian.Uint64(end)), int(binary.BigEndian.Uint64(end[8:]))
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
