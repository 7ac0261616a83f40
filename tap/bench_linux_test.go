package tap

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/internal/netnstest"
)

// benchLens are of frames: the shortest, one in the middle, a full one.
var benchLens = []int{60, 512, 1514}

func benchPort(b *testing.B) (*netnstest.Host, *Port) {
	b.Helper()
	h := netnstest.NewHost(b, "c1")
	p, err := Open(Config{IfName: "eth0", NetNS: "c1"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return h, p
}

// benchFrame is for a station that is not there: the kernel drops it early.
func benchFrame(length int) []byte {
	mem := make([]byte, frame.Headroom+length)
	copy(mem[frame.Headroom:], []byte{2, 0, 0, 0, 0, 8, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
	return mem
}

// BenchmarkWrite is a frame to the kernel, its reception there included.
func BenchmarkWrite(b *testing.B) {
	_, p := benchPort(b)
	for _, length := range benchLens {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			bufs := make([]*frame.Buf, frame.BatchSize)
			for i := range bufs {
				bufs[i] = new(frame.Buf)
				bufs[i].Set(benchFrame(length), frame.Headroom)
			}
			tx := p.NewTx()
			var tally frame.Tally
			b.SetBytes(int64(length))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(bufs) {
				tx.WriteBatch(bufs[:min(len(bufs), b.N-n)], &tally)
			}
			b.StopTimer()
			if tally.Frames != uint64(b.N) {
				b.Errorf("%d of %d frames passed", tally.Frames, b.N)
			}
		})
	}
}

// BenchmarkRead is a frame out of a queue that always has one.
func BenchmarkRead(b *testing.B) {
	h, p := benchPort(b)
	rx := p.Rx().(*queue)
	for _, length := range benchLens {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			fill := filler(b, h, benchFrame(length)[frame.Headroom:])
			var batch frame.Batch
			b.SetBytes(int64(length))
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; {
				b.StopTimer()
				for _, err := rx.PollBatch(&batch); batch.Len() > 0; _, err = rx.PollBatch(&batch) {
					if err != nil {
						b.Fatal(err) // what the kernel itself had to say is out of the way now
					}
				}
				n := min(left, txQueueLen/2)
				fill(n)
				b.StartTimer()
				for got := 0; got < n; got += batch.Len() {
					if _, err := rx.PollBatch(&batch); err != nil {
						b.Fatal(err)
					}
				}
				left -= n
			}
		})
	}
}

// filler gives what puts so many frames into the interface's queue.
func filler(b *testing.B, h *netnstest.Host, f []byte) func(n int) {
	b.Helper()
	var fd int
	var err error
	h.Do(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName("eth0"); err != nil {
			return
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
		}
	})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	return func(n int) {
		for range n {
			if _, err := unix.Write(fd, f); err != nil {
				b.Fatal(err)
			}
		}
	}
}
