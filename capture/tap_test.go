package capture

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"weft/frame"
)

// queue gives the same batch again and again.
type queue struct{ frames [][]byte }

func (q *queue) ReadBatch(b *frame.Batch) error {
	b.Reset()
	for _, f := range q.frames {
		b.Next().Set(f, frame.Headroom)
	}
	return nil
}

type sink struct{}

func (sink) NewTx() Tx { return sink{} }

func (sink) WriteBatch([]*frame.Buf, *frame.Tally) {}

func newBuf(data []byte) *frame.Buf {
	b := new(frame.Buf)
	b.Set(append(make([]byte, frame.Headroom), data...), frame.Headroom)
	return b
}

// read gives the packets of a stream and what its statistics say was lost.
func read(t *testing.T, stream []byte) (packets [][]byte, sizes []int, lost uint64) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(stream), pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(info.Timestamp); age < 0 || age > time.Minute {
			t.Errorf("a packet of %v ago", age)
		}
		packets, sizes = append(packets, data), append(sizes, info.Length)
	}
	i, err := r.Interface(0)
	if err != nil || i.Name != "web" {
		t.Errorf("interface %q, %v", i.Name, err)
	}
	return packets, sizes, i.Statistics.PacketsDropped
}

func TestMirror(t *testing.T) {
	var m Mirror
	frames := zoo(t)
	in := &queue{[][]byte{append(make([]byte, frame.Headroom), frames[0]...)}}
	rx, tx := m.Rx(in), m.Port(sink{}).NewTx()
	var tally frame.Tally
	batch := new(frame.Batch)
	pass := func() {
		if err := rx.ReadBatch(batch); err != nil {
			t.Fatal(err)
		}
		divided := newBuf(frames[1][:60])
		divided.Frags = [][]byte{frames[1][60:70], frames[1][70:]}
		tx.WriteBatch([]*frame.Buf{newBuf(frames[3]), divided}, &tally)
	}
	pass() // nobody looks

	filter, err := Parse("tcp or udp")
	if err != nil {
		t.Fatal(err)
	}
	filtered := NewTap(Config{Name: "web", Filter: filter, Count: 2})
	all := NewTap(Config{Name: "web", SnapLen: 20})
	if !m.Add(filtered) || !m.Add(all) || !m.Active() {
		t.Fatal("no taps")
	}
	pass()
	pass() // past the count of one
	m.Close()
	pass()
	if m.Add(NewTap(Config{})) || m.Active() {
		t.Error("a closed mirror takes taps")
	}

	var out bytes.Buffer
	if err := filtered.WriteTo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	packets, _, lost := read(t, out.Bytes())
	if len(packets) != 2 || !bytes.Equal(packets[0], frames[0]) || !bytes.Equal(packets[1], frames[1]) || lost != 0 {
		t.Errorf("filtered: %d packets, %d lost", len(packets), lost)
	}
	// The directions: received, sent.
	flags := []byte{optFlags, 0, 4, 0}
	first := bytes.Index(out.Bytes(), append(bytes.Clone(flags), byte(Inbound), 0, 0, 0))
	second := bytes.Index(out.Bytes(), append(bytes.Clone(flags), byte(Outbound), 0, 0, 0))
	if first < 0 || second < first {
		t.Errorf("directions at %d and %d", first, second)
	}

	out.Reset()
	if err := all.WriteTo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	packets, sizes, _ := read(t, out.Bytes())
	if len(packets) != 6 || len(packets[0]) != 20 || sizes[0] != len(frames[0]) {
		t.Errorf("all: %d packets, the first %d bytes of %d", len(packets), len(packets[0]), sizes[0])
	}
}

// A reader that is late costs frames, and is told how many.
func TestOverflow(t *testing.T) {
	var m Mirror
	tap := NewTap(Config{Name: "web"})
	m.Add(tap)
	tx := m.Port(sink{}).NewTx()
	big := newBuf(make([]byte, 60000))
	var tally frame.Tally
	const n = 200
	for range n {
		tx.WriteBatch([]*frame.Buf{big}, &tally)
	}
	m.Close()
	var out bytes.Buffer
	if err := tap.WriteTo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	packets, _, lost := read(t, out.Bytes())
	if lost == 0 || len(packets)+int(lost) != n || out.Len() > bufferLen+1000 {
		t.Errorf("%d captured and %d lost of %d, %d bytes", len(packets), lost, n, out.Len())
	}
}

// A mirror that nobody looks into costs a load.
func BenchmarkMirror(b *testing.B) {
	in := &queue{}
	for range frame.BatchSize {
		in.frames = append(in.frames, make([]byte, 100))
	}
	batch := new(frame.Batch)
	var m Mirror
	for _, c := range []struct {
		name string
		rx   Rx
	}{{"plain", in}, {"mirror", m.Rx(in)}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.rx.ReadBatch(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
