package offload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"weft/frame"
)

// virtio writes a virtio_net_hdr field by field.
func virtio(flags, gso byte, hdrLen, size, start, offset uint16) []byte {
	h := []byte{flags, gso}
	for _, v := range []uint16{hdrLen, size, start, offset} {
		h = binary.LittleEndian.AppendUint16(h, v)
	}
	return h
}

func TestVirtioHeaders(t *testing.T) {
	payload := make([]byte, 4000)
	k4 := tcp4(payload)
	k4.stamps = true
	k6, u4 := k4, k4
	k6.v6, u4.udp = true, true
	for _, c := range []struct {
		name string
		k    spec
		hdr  []byte
		want frame.Offload
	}{
		{"finished", k4, virtio(0, 0, 0, 0, 0, 0), frame.Offload{}},
		{"valid", k4, virtio(2, 0, 0, 0, 0, 0), frame.Offload{}},
		{"checksum", k4, virtio(1, 0, 0, 0, 34, 16), frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16}},
		{"TCPv4", k4, virtio(1, 1, 66, 1448, 34, 16), frame.Offload{
			NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: 66, GSOSize: 1448,
		}},
		{"TCPv6, ECN", k6, virtio(1, 0x84, 86, 1428, 54, 16), frame.Offload{
			NeedsCsum: true, CsumStart: 54, CsumOffset: 16, GSO: frame.GSOTCPv6, HdrLen: 86, GSOSize: 1428, ECN: true,
		}},
		{"UDP", u4, virtio(1, 5, 42, 1000, 34, 6), frame.Offload{
			NeedsCsum: true, CsumStart: 34, CsumOffset: 6, GSO: frame.GSOUDP, HdrLen: 42, GSOSize: 1000,
		}},
	} {
		b := bufOf(c.k.build(t))
		if err := DecodeVirtio(c.hdr, b); err != nil || b.Offload != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, b.Offload, err, c.want)
		}
		back := bytes.Repeat([]byte{0xee}, VirtioLen+2)
		EncodeVirtio(back, b)
		if c.name == "valid" {
			c.hdr[0] = 0
		}
		if want := append(c.hdr, 0xee, 0xee); !bytes.Equal(back, want) {
			t.Errorf("%s: encoded %x, want %x", c.name, back, want)
		}
	}
}

// A superframe of one segment, as Adopt may make it, goes to a TAP as the
// ordinary frame that it is.
func TestVirtioOneSegment(t *testing.T) {
	const size = 1000
	for _, c := range []struct {
		length int
		want   []byte
	}{
		{size - 1, virtio(1, 0, 0, 0, 34, 16)},
		{size, virtio(1, 0, 0, 0, 34, 16)},
		{size + 1, virtio(1, 1, 54, size, 34, 16)},
	} {
		b := bufOf(tcp4(make([]byte, c.length)).build(t))
		b.Offload = frame.Offload{
			NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: 54, GSOSize: size, Guessed: true,
		}
		got := make([]byte, VirtioLen)
		if EncodeVirtio(got, b); !bytes.Equal(got, c.want) {
			t.Errorf("payload of %d bytes: encoded %x, want %x", c.length, got, c.want)
		}
	}
}

// The kernel states in hdr_len how much of a packet is in one piece, which may
// be much more, or less, than the headers.
func TestVirtioHeaderLengthIsAHint(t *testing.T) {
	k := tcp4(make([]byte, 4000))
	k.stamps = true
	for _, hint := range []uint16{0, 1, 54, 66, 4000, 0xffff} {
		b := bufOf(k.build(t))
		if err := DecodeVirtio(virtio(1, 1, hint, 1000, 34, 16), b); err != nil || b.Offload.HdrLen != 66 {
			t.Errorf("hint %d: HdrLen %d, %v", hint, b.Offload.HdrLen, err)
		}
	}
}

func TestVirtioRefuses(t *testing.T) {
	f := tcp4(make([]byte, 1000)).build(t)
	end := uint16(len(f))
	for name, hdr := range map[string][]byte{
		"short":                    make([]byte, VirtioLen-1),
		"start in MAC addresses":   virtio(1, 0, 0, 0, 13, 0),
		"start behind the frame":   virtio(1, 0, 0, 0, end, 0),
		"field behind the frame":   virtio(1, 0, 0, 0, 34, end-34-1),
		"sum overflows 16 bits":    virtio(1, 0, 0, 0, 0xfff0, 0xfff0),
		"UFO":                      virtio(1, 3, 42, 1000, 34, 6),
		"unknown type":             virtio(1, 7, 54, 1000, 34, 16),
		"ECN alone":                virtio(1, 0x80, 54, 1000, 34, 16),
		"GSO and no checksum":      virtio(0, 1, 54, 1000, 34, 16),
		"size 0":                   virtio(1, 1, 54, 0, 34, 16),
		"TCP, UDP's offset":        virtio(1, 1, 54, 1000, 34, 6),
		"UDP, TCP's offset":        virtio(1, 5, 42, 1000, 34, 16),
		"TCP data offset too low":  virtio(1, 1, 54, 1000, 35, 16),
		"TCP header beyond frame":  virtio(1, 1, 54, 1000, end-20, 16),
		"UDP, field behind frame":  virtio(1, 5, 42, 1000, end-7, 6),
		"TCP, field behind frame":  virtio(1, 1, 54, 1000, end-17, 16),
		"TCPv6, start behind all":  virtio(1, 4, 54, 1000, 0xffff, 16),
		"UDP, start behind frame":  virtio(1, 5, 42, 1000, end, 6),
		"gso bit 6 (UDP tunnel)":   virtio(1, 0x41, 54, 1000, 34, 16),
		"gso bit 5 (UDP tunnel 4)": virtio(1, 0x21, 54, 1000, 34, 16),
	} {
		b := bufOf(f)
		if name == "TCP header beyond frame" {
			b.Head()[end-20+tcpDataOff] = 0x60
		}
		b.Offload.NeedsCsum = true
		if err := DecodeVirtio(hdr, b); !errors.Is(err, ErrMalformed) || b.Offload != (frame.Offload{}) {
			t.Errorf("%s: error %v, %+v", name, err, b.Offload)
		}
	}
}

func TestVirtioAllocs(t *testing.T) {
	b := bufOf(tcp4(make([]byte, 4000)).build(t))
	hdr := virtio(1, 1, 54, 1000, 34, 16)
	if n := testing.AllocsPerRun(50, func() {
		noError(t, DecodeVirtio(hdr, b))
		EncodeVirtio(hdr, b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
