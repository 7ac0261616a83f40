package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/frame"
	"weft/internal/vectorio"
)

// pair is two VTEPs on the loopback interface, each the other's hop.
type pair struct {
	a, b *VTEP
	to   *Hop // b, as a sees it
	from *Hop // a, as b sees it
}

func newPair(tb testing.TB, address string, ca, cb Config) *pair {
	tb.Helper()
	open := func(c Config, port uint16) *VTEP {
		c.Address, c.Port, c.MTU = netip.MustParseAddr(address), port, 1450
		v, err := Open(c)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = v.Close() })
		return v
	}
	hop := func(v, other *VTEP, id frame.PortID) *Hop {
		h, err := v.NewHop(other.Addr())
		if err == nil {
			err = v.Admit(h, id)
		}
		if err != nil {
			tb.Fatal(err)
		}
		return h
	}
	p := &pair{a: open(ca, 14789), b: open(cb, 24789)}
	p.to, p.from = hop(p.a, p.b, 7), hop(p.b, p.a, 9)
	return p
}

// receive gives what arrived at b, n frames on a wire or more.
func (p *pair) receive(tb testing.TB, n int) []*frame.Buf {
	tb.Helper()
	// A frame that is lost fails the test rather than hang it.
	watchdog := time.AfterFunc(30*time.Second, func() { _ = p.b.Close() })
	defer watchdog.Stop()
	var got []*frame.Buf
	var batch frame.Batch
	for arrived := 0; arrived < n; {
		if err := p.b.Rx().ReadBatch(&batch); err != nil {
			tb.Fatalf("%d of %d frames, then %v; drops %v", arrived, n, err, dropsOf(p.b, p.from))
		}
		for i := range batch.Bufs() {
			b := batch.Bufs()[i].Clone()
			frames, _ := b.Wire()
			arrived += int(frames)
			got = append(got, b)
		}
	}
	return got
}

// mixed is frames of many lengths, in runs, of some flows; a flow's frames
// count up in byte 8 of the source address.
func mixed(tb testing.TB) []*frame.Buf {
	tb.Helper()
	var bufs []*frame.Buf
	for i, n := range []int{1, 1, 1, 30, 1400, 1400, 1400, 600, 1, 1400, 0, 20, 20, 20, 21, 20} {
		for flow := range uint16(4) {
			payload := bytes.Repeat([]byte{byte(i)}, n)
			bufs = append(bufs, bufOf(spec{port: 1000 + flow, v6: flow%2 == 1, seq: uint32(i), payload: payload}.build(tb)))
		}
	}
	return bufs
}

// checkFlows wants the frames of want in got, each flow's in their order.
func checkFlows(t *testing.T, got, want []*frame.Buf) {
	t.Helper()
	flows := func(bufs []*frame.Buf) map[string][][]byte {
		m := map[string][][]byte{}
		for _, f := range asOnWire(t, bufs) {
			l4 := 34
			if f[12] == 0x86 {
				l4 = 54
			}
			key := fmt.Sprintf("%x", f[l4:l4+4])
			m[key] = append(m[key], f)
		}
		return m
	}
	g, w := flows(got), flows(want)
	for key := range w {
		if !slices.EqualFunc(g[key], w[key], bytes.Equal) {
			t.Errorf("flow %s arrived with other frames or in another order: %d of %d", key, len(g[key]), len(w[key]))
		}
	}
	if len(g) != len(w) {
		t.Errorf("%d flows, want %d", len(g), len(w))
	}
}

func nameOf(c Config) string {
	return fmt.Sprintf("noGSO=%t,noGRO=%t,strict=%t", c.NoGSO, c.NoGRO, c.Strict)
}

func TestLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		for _, c := range []Config{{}, {NoGSO: true}, {NoGRO: true}, {NoGSO: true, NoGRO: true, Strict: true}} {
			t.Run(fmt.Sprintf("%s,%s", address, nameOf(c)), func(t *testing.T) {
				p := newPair(t, address, c, c)
				if on, reason := p.a.GSO(); on == c.NoGSO || on != (reason == "") {
					t.Errorf("GSO is %t, %q", on, reason)
				}
				if on, reason := p.b.GRO(); on == c.NoGRO || on != (reason == "") {
					t.Errorf("GRO is %t, %q", on, reason)
				}
				bufs := mixed(t)
				var tally frame.Tally
				p.to.NewTx().WriteBatch(bufs, &tally)
				var length uint64
				for _, b := range bufs {
					length += uint64(b.Len())
				}
				if tally.Frames != uint64(len(bufs)) || tally.Bytes != length {
					t.Errorf("sent %d frames and %d bytes, want %d and %d", tally.Frames, tally.Bytes, len(bufs), length)
				}
				got := p.receive(t, len(bufs))
				checkFlows(t, got, bufs)
				if got[0].VNI != 42 || got[0].Ingress != 9 {
					t.Errorf("VNI %d, ingress %d", got[0].VNI, got[0].Ingress)
				}
			})
		}
	}
}

// tcpSuperframe is n bytes of TCP payload to be cut at size.
func tcpSuperframe(tb testing.TB, n, size int) *frame.Buf {
	tb.Helper()
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(i * 7 / 3)
	}
	k := spec{tcp: true, port: 1000, seq: 1, payload: payload}
	b := bufOf(k.unfinished(tb))
	b.Offload = frame.Offload{
		NeedsCsum: true, CsumStart: uint16(k.l4()), CsumOffset: 16,
		GSO: frame.GSOTCPv4, HdrLen: uint16(k.l4() + 20), GSOSize: uint16(size),
	}
	return b
}

// TestLoopbackSuperframe: a superframe is cut for the wire and put together
// behind it, with nothing lost between.
func TestLoopbackSuperframe(t *testing.T) {
	for _, c := range []Config{{}, {NoGSO: true}, {NoGRO: true}} {
		t.Run(nameOf(c), func(t *testing.T) {
			p := newPair(t, "127.0.0.1", c, c)
			super := tcpSuperframe(t, 60000, 1400)
			frames, length := super.Wire()
			want := slices.Clone(super.Head()[54:])
			var tally frame.Tally
			p.to.NewTx().WriteBatch([]*frame.Buf{super}, &tally)
			if tally.Frames != frames || tally.Bytes != length {
				t.Errorf("sent %d frames and %d bytes, want %d and %d", tally.Frames, tally.Bytes, frames, length)
			}
			var got []byte
			for n := 0; len(got) < len(want); n++ {
				for _, b := range p.receive(t, 1) {
					if !c.NoGSO && !c.NoGRO && b.Offload.GSO != frame.GSOTCPv4 {
						t.Errorf("a train became a frame of %d bytes with %+v", b.Len(), b.Offload)
					}
					got = append(got, b.Flat(nil)[54:]...)
				}
			}
			if !bytes.Equal(got, want) {
				t.Error("the payload changed")
			}
		})
	}
}

// refusing makes e's kernel answer a send of a train with errno, and act as
// ever for single datagrams.
func refusing(e *encapsulator, errno unix.Errno) {
	e.out.call = func(fd int, msgs []vectorio.Msg) (int, unix.Errno) {
		train := slices.IndexFunc(msgs, func(m vectorio.Msg) bool { return m.Hdr.Controllen > cmsgLen }) // has a segment size
		switch train {
		case -1:
			return vectorio.Sendmmsg(fd, msgs)
		case 0:
			return 0, errno
		}
		return vectorio.Sendmmsg(fd, msgs[:train]) // what comes before is sent
	}
}

// TestTrainRefused: when the kernel refuses a train its datagrams go singly,
// and GSO is off for good if the kernel means all trains.
func TestTrainRefused(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		on    bool
	}{{unix.EIO, false}, {unix.EINVAL, true}, {unix.EMSGSIZE, true}} {
		t.Run(c.errno.Error(), func(t *testing.T) {
			var told []string
			p := newPair(t, "127.0.0.1", Config{Refused: func(ability, _ string) { told = append(told, ability) }}, Config{})
			e := newEncapsulator(p.a)
			refusing(e, c.errno)
			for range 2 {
				bufs := mixed(t)
				var tally frame.Tally
				e.send(p.to, bufs, &tally)
				if tally.Frames != uint64(len(bufs)) || tally.Drops != ([frame.NumDropReasons]uint64{}) {
					t.Errorf("sent %d of %d, drops %v", tally.Frames, len(bufs), tally.Drops)
				}
				checkFlows(t, p.receive(t, len(bufs)), bufs)
				if on, reason := p.a.GSO(); on != c.on || on != (reason == "") {
					t.Errorf("GSO is %t, %q", on, reason)
				}
			}
			if c.on && len(told) != 0 || !c.on && !slices.Equal(told, []string{"udp_gso"}) {
				t.Errorf("told of %q", told)
			}
			super := tcpSuperframe(t, 20000, 1400)
			var tally frame.Tally
			e.send(p.to, []*frame.Buf{super}, &tally)
			if want, _ := super.Wire(); tally.Frames != want {
				t.Errorf("sent %d segments of %d", tally.Frames, want)
			}
		})
	}
}

// TestSendErrors: every frame that the kernel does not take is counted.
func TestSendErrors(t *testing.T) {
	for _, c := range []struct {
		errno  unix.Errno
		reason frame.DropReason
		hopErr bool
	}{
		{unix.EAGAIN, frame.DropQueueFull, false},
		{unix.ENOBUFS, frame.DropQueueFull, false},
		{unix.EMSGSIZE, frame.DropTooBig, false},
		{unix.ENETUNREACH, frame.DropPeerUnreachable, true},
		{unix.EPERM, frame.DropPeerUnreachable, true},
	} {
		t.Run(c.errno.Error(), func(t *testing.T) {
			p := newPair(t, "127.0.0.1", Config{}, Config{})
			e := newEncapsulator(p.a)
			e.out.call = func(int, []vectorio.Msg) (int, unix.Errno) { return 0, c.errno }
			bufs := mixed(t)
			var tally frame.Tally
			e.send(p.to, bufs, &tally)
			if tally.Frames != 0 || tally.Drops[c.reason] != uint64(len(bufs)) {
				t.Errorf("sent %d, drops %v; want %d as %v", tally.Frames, tally.Drops, len(bufs), c.reason)
			}
			if err := p.to.Err(); (err != nil) != c.hopErr || c.hopErr && !errors.Is(err, c.errno) {
				t.Errorf("the hop's error is %v", err)
			}
			e.out.call = vectorio.Sendmmsg
			e.send(p.to, bufs[:1], &tally)
			if err := p.to.Err(); err != nil {
				t.Errorf("the hop's error is still %v", err)
			}
		})
	}
}

// TestRealTooBig: the loopback's MTU lets a train of small frames pass but no
// datagram above it.
func TestRealTooBig(t *testing.T) {
	p := newPair(t, "127.0.0.1", Config{}, Config{})
	var tally frame.Tally
	p.to.NewTx().WriteBatch([]*frame.Buf{bufOf(plain(60, 1)), bufOf(plain(65530, 2)), bufOf(plain(60, 3))}, &tally)
	if tally.Frames != 2 || tally.Drops[frame.DropTooBig] != 1 {
		t.Errorf("sent %d, drops %v", tally.Frames, tally.Drops)
	}
	if got := p.receive(t, 2); got[0].Head()[14] != 1 || got[1].Head()[14] != 3 {
		t.Error("other frames arrived")
	}
}

// TestClose: Close wakes the reader, and what is written after is dropped.
func TestClose(t *testing.T) {
	p := newPair(t, "127.0.0.1", Config{}, Config{})
	ended := make(chan error)
	go func() {
		var b frame.Batch
		ended <- p.a.Rx().ReadBatch(&b)
	}()
	tx := p.to.NewTx()
	if err := p.a.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadBatch gave %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Close did not wake the reader")
	}
	bufs := mixed(t)
	var tally frame.Tally
	tx.WriteBatch(bufs, &tally)
	if tally.Frames != 0 || tally.Drops[frame.DropPortDown] != uint64(len(bufs)) {
		t.Errorf("sent %d, drops %v; want %d as port_down", tally.Frames, tally.Drops, len(bufs))
	}
}

// TestHops: who is admitted is received from, and nobody twice.
func TestHops(t *testing.T) {
	p := newPair(t, "127.0.0.1", Config{}, Config{})
	again, err := p.b.NewHop(p.a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.b.Admit(again, 3); !errors.Is(err, ErrHopExists) {
		t.Errorf("Admit gave %v, want %v", err, ErrHopExists)
	}
	if _, err := p.b.NewHop(netip.MustParseAddrPort("[::1]:1")); !errors.Is(err, ErrFamily) {
		t.Errorf("NewHop gave %v, want %v", err, ErrFamily)
	}
	p.b.Expel(again) // is not in the table: nothing happens
	send := func(id byte) {
		var tally frame.Tally
		p.to.NewTx().WriteBatch([]*frame.Buf{bufOf(plain(60, id))}, &tally)
	}
	send(1)
	p.receive(t, 1)
	p.b.Expel(p.from)
	send(2)
	go func() { // the frame is dropped; this one is for the reader to return
		for end := time.Now().Add(30 * time.Second); p.b.Stats().Drops[frame.DropUnknownVTEP] == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		_ = p.b.Admit(again, 3)
		send(3)
	}()
	if got := p.receive(t, 1); got[0].Head()[14] != 3 || got[0].Ingress != 3 {
		t.Errorf("frame %d from %d", got[0].Head()[14], got[0].Ingress)
	}
}

// TestOpenErrors: what a user can do something about is said.
func TestOpenErrors(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"192.0.2.1", "no interface of this host has the address 192.0.2.1"},
		{"2001:db8::1", "no interface of this host has the address 2001:db8::1"},
	} {
		_, err := Open(Config{Address: netip.MustParseAddr(c.address)})
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	p := newPair(t, "127.0.0.1", Config{}, Config{})
	_, err := Open(Config{Address: p.a.Addr().Addr(), Port: p.a.Addr().Port()})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("UDP port 14789 is in use")) {
		t.Errorf("port in use: %v", err)
	}
}

// round sends bufs and reads until they have arrived.
func (p *pair) round(e *encapsulator, bufs []*frame.Buf, b *frame.Batch, t *frame.Tally) error {
	e.send(p.to, bufs, t)
	for n := uint64(0); n < t.Frames; {
		if err := p.b.Rx().ReadBatch(b); err != nil {
			return err
		}
		for i := range b.Bufs() {
			frames, _ := b.Bufs()[i].Wire()
			n += frames
		}
	}
	*t = frame.Tally{}
	return nil
}

func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name string
		bufs []*frame.Buf
	}{
		{"frames", mixed(t)},
		{"superframe", []*frame.Buf{tcpSuperframe(t, 60000, 1400)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, "127.0.0.1", Config{}, Config{})
			watchdog := time.AfterFunc(30*time.Second, func() { _ = p.b.Close() })
			defer watchdog.Stop()
			e := newEncapsulator(p.a)
			var b frame.Batch
			var tally frame.Tally
			if n := testing.AllocsPerRun(100, func() {
				if err := p.round(e, c.bufs, &b, &tally); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations for a batch out and in", n)
			}
		})
	}
}

// What a VTEP has opened, its questions to the kernel included, goes with it.
func TestCloseLeavesNoDescriptor(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	use := func() {
		v, err := Open(Config{Address: netip.MustParseAddr("127.0.0.1"), Port: 34789, MTU: 1450})
		if err != nil {
			t.Fatal(err)
		}
		if mtu, err := v.LocalMTU(); err != nil || mtu <= 0 {
			t.Errorf("room for %d bytes, %v", mtu, err)
		}
		h, err := v.NewHop(netip.MustParseAddrPort("127.0.0.2:34789"))
		if err != nil {
			t.Fatal(err)
		}
		if mtu, err := h.PathMTU(); err != nil || mtu <= 0 {
			t.Errorf("room for %d bytes on the way, %v", mtu, err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	use() // the runtime opens some for itself
	before := descriptors()
	use()
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
