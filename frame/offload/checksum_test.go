package offload

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"weft/frame"
)

// equalSums compares one's complement sums, in which 0 and 0xffff are equal.
func equalSums(a, b uint16) bool { return a%0xffff == b%0xffff }

func TestSumAgainstNaive(t *testing.T) {
	rnd := newRand(1)
	buf := bytesOf(rnd, 70000)
	for range 4000 {
		off, n := rnd.IntN(16), rnd.IntN(300)
		if rnd.IntN(20) == 0 {
			n = rnd.IntN(65536)
		}
		b := buf[off : off+n]
		if got, want := Fold(Sum(b, 0)), naiveSum(b); !equalSums(got, want) {
			t.Fatalf("%d bytes at %d: %#04x, want %#04x", n, off, got, want)
		}
	}
}

// Every byte 0xff makes every addition carry; sums near 1<<64 would lose one.
func TestSumCarries(t *testing.T) {
	for _, fill := range []byte{0xff, 0xfe, 0x80, 0x00} {
		b := bytes.Repeat([]byte{fill}, 200)
		for n := range b {
			want := naiveSum(b[:n])
			for _, initial := range []uint64{0, 1, 0xffff, 0x10000, math.MaxUint32, math.MaxUint64 - 1, math.MaxUint64, 1 << 63} {
				var word [8]byte
				binary.BigEndian.PutUint64(word[:], initial)
				both := naiveSum(append(word[:], b[:n]...))
				if got := Fold(Sum(b[:n], initial)); !equalSums(got, both) {
					t.Fatalf("%d of %#02x on %#x: %#04x, want %#04x (alone %#04x)", n, fill, initial, got, both, want)
				}
			}
		}
	}
}

// Adding to a full 64-bit sum loses a carry; Sum must never give one.
func TestSumLeavesRoom(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 65536)
	if s := Sum(b, 0); s > 0xffff {
		t.Fatalf("Sum gave %#x, more than 16 bits", s)
	}
	if s := Sum(b, 0xffff); s > 0x1ffff {
		t.Fatalf("Sum gave %#x on 0xffff", s)
	}
}

func TestFold(t *testing.T) {
	for s, want := range map[uint64]uint16{
		0: 0, 1: 1, 0xffff: 0xffff, 0x10000: 1, 0x1fffe: 0xffff, 0x1ffff: 1,
		math.MaxUint32: 0xffff, 1 << 32: 1, math.MaxUint64: 0xffff, math.MaxUint64 - 1: 0xfffe, 1 << 63: 0x8000,
	} {
		if got := Fold(s); got != want {
			t.Errorf("Fold(%#x) = %#04x, want %#04x", s, got, want)
		}
	}
}

func TestPseudoSum(t *testing.T) {
	rnd := newRand(2)
	for _, v6 := range []bool{false, true} {
		for _, udp := range []bool{false, true} {
			k := tcp4(bytesOf(rnd, 333))
			k.v6, k.udp = v6, udp
			f := k.build(t)
			n, a, proto := 4, k.l3()+12, uint8(protoTCP)
			if v6 {
				n, a = 16, k.l3()+8
			}
			if udp {
				proto = protoUDP
			}
			got := Fold(PseudoSum(f[a:a+n], f[a+n:a+2*n], proto, len(f)-k.l4()))
			if want := naiveSum(k.pseudoHeader(f)); got != want {
				t.Errorf("v6=%v udp=%v: %#04x, want %#04x", v6, udp, got, want)
			}
		}
	}
}

// gopacket computes the checksum that FinishChecksum must complete.
func TestFinishChecksum(t *testing.T) {
	rnd := newRand(3)
	for n := range 200 {
		for _, k := range []spec{{}, {v6: true}, {udp: true}, {v6: true, udp: true}} {
			k.ttl, k.flags, k.payload = 64, flagACK, bytesOf(rnd, n)
			b := k.super(t, 0)
			b.Offload.GSO, b.Offload.HdrLen = frame.GSONone, uint16(k.hdrLen())
			for i, c := range []*frame.Buf{splitFrags(b, rnd.IntN(n+1), rnd), b} {
				FinishChecksum(c)
				if c.Offload.NeedsCsum {
					t.Fatal("still marked NeedsCsum")
				}
				same(t, k.build(t), c.Flat(nil), "v6=%v udp=%v, %d bytes, form %d", k.v6, k.udp, n, i)
			}
		}
	}
}

func TestFinishChecksumOfZero(t *testing.T) {
	k := tcp4(make([]byte, 2))
	k.udp = true
	f := k.build(t)
	// Payload that brings the checksum to 0, sent as 0xffff.
	binary.BigEndian.PutUint16(f[k.hdrLen():], binary.BigEndian.Uint16(f[k.csum():]))
	binary.BigEndian.PutUint16(f[k.csum():], naiveSum(k.pseudoHeader(f)))
	b := bufOf(f)
	b.Offload = frame.Offload{NeedsCsum: true, CsumStart: uint16(k.l4()), CsumOffset: udpCsum}
	FinishChecksum(b)
	if got := binary.BigEndian.Uint16(b.Head()[k.csum():]); got != 0xffff {
		t.Fatalf("UDP checksum %#04x, want 0xffff", got)
	}
}

func TestFinishChecksumLeavesAlone(t *testing.T) {
	k := tcp4(make([]byte, 100))
	f := k.build(t)
	for name, o := range map[string]frame.Offload{
		"finished":        {CsumStart: 34, CsumOffset: 16},
		"superframe":      {NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, GSOSize: 50, HdrLen: 54},
		"field outside":   {NeedsCsum: true, CsumStart: uint16(len(f)) - 1, CsumOffset: 0},
		"offset overflow": {NeedsCsum: true, CsumStart: 0xffff, CsumOffset: 0xffff},
	} {
		b := bufOf(f)
		b.Offload = o
		FinishChecksum(b)
		if !bytes.Equal(b.Head(), f) || b.Offload != o {
			t.Errorf("%s: changed", name)
		}
	}
}
