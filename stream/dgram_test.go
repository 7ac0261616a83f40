package stream

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"weft/frame"
	"weft/frame/offload"
)

// unixDgrams are a port and its peer, each with a path of its own.
func unixDgrams(t testing.TB) (d *Dgram, peer *net.UnixConn, peerPath string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	peerPath = filepath.Join(dir, "peer")
	here, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "port"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = NewDgram(here, peerPath); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, listenPeer(t, peerPath), peerPath
}

func listenPeer(t testing.TB, path string) *net.UnixConn {
	t.Helper()
	p, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// Frames go both ways whole, the longest too, and nothing is written before
// them but headroom.
func TestDgramFrames(t *testing.T) {
	d, peer, _ := unixDgrams(t)
	if err := peer.SetWriteBuffer(4 * maxFrame); err != nil {
		t.Fatal(err)
	}
	tx := d.NewTx()
	batch := new(frame.Batch)
	for i, n := range []int{60, 1514, 14, 9014, maxFrame} {
		want := numbered(i, n)
		var tally frame.Tally
		out := bufs(want[:n/2])
		out[0].Frags = [][]byte{want[n/2:]}
		tx.WriteBatch(out, &tally)
		got := make([]byte, maxFrame+1)
		k, err := peer.Read(got)
		if err != nil || tally.Frames != 1 || !bytes.Equal(got[:k], want) {
			t.Errorf("out: %d bytes came as %d, %+v, %v", n, k, tally, err)
		}
		if _, err := peer.WriteTo(want, d.conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if err := d.Rx().ReadBatch(batch); err != nil || batch.Len() != 1 || !bytes.Equal(batch.Bufs()[0].Head(), want) {
			t.Errorf("in: %d bytes, %d frames, %v", n, batch.Len(), err)
		}
		copy(batch.Bufs()[0].Prepended(frame.Headroom)[:frame.Headroom], "headroom")
	}
	if _, err := peer.WriteTo(numbered(0, maxFrame+1), d.conn.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := d.Rx().ReadBatch(batch); err != nil || batch.Len() != 1 || batch.Bufs()[0].Len() != 0 {
		t.Errorf("one that is too long: %d frames, %v; want an empty one, to be counted", batch.Len(), err)
	}
}

// Many datagrams are read together, each where it stays.
func TestDgramBatch(t *testing.T) {
	d, peer, _ := unixDgrams(t)
	const n = 5 // below net.unix.max_dgram_qlen, 10 by default
	for i := range n {
		if _, err := peer.WriteTo(numbered(i, 100+i), d.conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	batch := new(frame.Batch)
	for got := 0; got < n; got += batch.Len() {
		if err := d.Rx().ReadBatch(batch); err != nil {
			t.Fatal(err)
		}
		for i := range batch.Bufs() {
			if want := numbered(got+i, 100+got+i); !bytes.Equal(batch.Bufs()[i].Head(), want) {
				t.Errorf("frame %d: %x", got+i, batch.Bufs()[i].Head())
			}
		}
	}
}

// A full queue drops and never blocks; without a peer frames are dropped as
// port_down, and one that comes back is found by its path.
func TestDgramDrops(t *testing.T) {
	d, peer, path := unixDgrams(t)
	tx := d.NewTx()
	var tally frame.Tally
	for tally.Drops[frame.DropQueueFull] == 0 {
		tx.WriteBatch(bufs(numbered(0, 1500), numbered(1, 1500)), &tally)
	}
	_ = peer.Close()
	for _, gone := range []func(){func() {}, func() { _ = os.Remove(path) }} {
		gone()
		tally = frame.Tally{}
		tx.WriteBatch(bufs(numbered(0, 60), numbered(1, 60)), &tally)
		if tally.Drops[frame.DropPortDown] != 2 || !d.Refused() {
			t.Errorf("without a peer: %+v, refused %v", tally, d.Refused())
		}
	}
	peer = listenPeer(t, path)
	tally = frame.Tally{}
	tx.WriteBatch(bufs(numbered(0, 60)), &tally)
	if tally.Frames != 1 || d.Refused() {
		t.Errorf("after it returned: %+v, refused %v", tally, d.Refused())
	}
	_ = peer.Close()
	_ = d.Close()
	tally = frame.Tally{}
	tx.WriteBatch(bufs(numbered(0, 60)), &tally)
	if tally.Drops[frame.DropPortDown] != 1 {
		t.Errorf("after Close: %+v", tally)
	}
	if err := d.Rx().ReadBatch(new(frame.Batch)); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// Over UDP nobody at the other end is noticed by what comes back, costs single
// frames, and is over with the first frame from there.
func TestDgramUDP(t *testing.T) {
	peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	to, ok := peer.LocalAddr().(*net.UDPAddr)
	if !ok {
		t.Fatal(peer.LocalAddr())
	}
	here, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, to)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDgram(here, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	tx := d.NewTx()
	var tally frame.Tally
	tx.WriteBatch(bufs(numbered(0, 60), numbered(1, 65_508), numbered(2, 60)), &tally)
	if tally.Frames != 2 || tally.Drops[frame.DropTooBig] != 1 {
		t.Errorf("%+v", tally)
	}
	_ = peer.Close()
	for !d.Refused() {
		tx.WriteBatch(bufs(numbered(0, 60)), &tally)
	}
	if peer, err = net.ListenUDP("udp", to); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	if _, err := peer.WriteTo(numbered(7, 60), here.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	batch := new(frame.Batch)
	if err := d.Rx().ReadBatch(batch); err != nil || batch.Len() != 1 || d.Refused() {
		t.Errorf("%d frames, %v, refused %v", batch.Len(), err, d.Refused())
	}
}

// superframe is a TCP superframe over IPv4 as a TAP gives it: 54 bytes of
// headers, its checksum not finished.
func superframe(payload, size int) *frame.Buf {
	f := make([]byte, 54+payload)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0})
	f[16], f[17] = byte((40+payload)>>8), byte(40+payload)
	f[22], f[23] = 64, 6
	copy(f[26:], []byte{10, 77, 0, 1, 10, 77, 0, 2})
	f[46] = 5 << 4
	for i := range payload {
		f[54+i] = byte(i)
	}
	sum := offload.Fold(offload.Sum(f[26:34], uint64(6+20+payload)))
	f[50], f[51] = byte(sum>>8), byte(sum)
	b := bufs(f)[0]
	b.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: 34, CsumOffset: 16,
		GSO: frame.GSOTCPv4, HdrLen: 54, GSOSize: uint16(size),
	}
	return b
}

// What a TAP leaves undone is done before a socket is given it.
func TestSuperframesAreCut(t *testing.T) {
	c, peer := pair(t)
	var tally frame.Tally
	b := superframe(30_000, 1400)
	c.NewTx().WriteBatch([]*frame.Buf{b, superframe(30_000, 1400)}, &tally)
	if want := uint64(2 * 22); tally.Frames != want {
		t.Fatalf("%d frames, want %d", tally.Frames, want)
	}
	r, batch := newRx(peer), new(frame.Batch)
	payload := 0
	for got := 0; got < 44; got += batch.Len() {
		if err := r.ReadBatch(batch); err != nil {
			t.Fatal(err)
		}
		for i := range batch.Bufs() {
			f := batch.Bufs()[i].Head()
			sum := offload.Fold(offload.Sum(f[34:], offload.Sum(f[26:34], uint64(6+len(f)-34))))
			if sum != 0xffff {
				t.Fatalf("segment %d of %d bytes has a wrong checksum", got+i, len(f))
			}
			payload += len(f) - 54
		}
	}
	if payload != 60_000 {
		t.Errorf("%d bytes of payload", payload)
	}
}
