package tunnel

import (
	"bytes"
	"fmt"
	"testing"

	"weft/frame"
)

// drop marks the one combination that is no packet any more.
const drop = 0xff

// rfc6040 is the table of RFC 6040 section 4.2 by codepoints, inner then outer,
// in the order Not-ECT, ECT(1), ECT(0), CE.
var rfc6040 = [4][4]uint8{
	notECT: {notECT: notECT, ect1: notECT, ect0: notECT, ce: drop},
	ect1:   {notECT: ect1, ect1: ect1, ect0: ect1, ce: ce},
	ect0:   {notECT: ect0, ect1: ect1, ect0: ect0, ce: ce},
	ce:     {notECT: ce, ect1: ce, ect0: ce, ce: ce},
}

func TestDecapsulateECN(t *testing.T) {
	for inner := range uint8(4) {
		for outer := range uint8(4) {
			for _, v6 := range []bool{false, true} {
				for tags := range 2 {
					// Checksums of many headers, so that the incremental one
					// meets carries.
					for id := range uint32(300) {
						k := spec{v6: v6, tags: tags, tos: 0xb8 | inner, seq: id * 219, payload: []byte("x")}
						name := fmt.Sprintf("inner %d, outer %d, %+v", inner, outer, k)
						checkDecapsulateECN(t, name, k, inner, outer)
					}
				}
			}
		}
	}
}

func checkDecapsulateECN(t *testing.T, name string, k spec, inner, outer uint8) {
	t.Helper()
	got := k.build(t)
	want := rfc6040[inner][outer]
	// The outer DSCP is nothing to the inner packet.
	if ok := decapsulateECN(got, 0xfc|outer); ok == (want == drop) {
		t.Fatalf("%s: kept is %t", name, ok)
	}
	if want == drop {
		return
	}
	k.tos = 0xb8 | want
	if !k.v6 && onesSum(got[k.l3():k.l4()]) != 0xffff {
		t.Fatalf("%s: the IPv4 header's checksum is wrong", name)
	}
	if !bytes.Equal(got, k.build(t)) {
		t.Fatalf("%s: got %x, want %x", name, got, k.build(t))
	}
}

// What has no ECN field, or not all of it, passes as it is.
func TestDecapsulateECNElsewhere(t *testing.T) {
	for _, k := range []spec{{}, {v6: true}, {tags: 1}, {v6: true, tags: 1}} {
		whole := k.build(t)
		for n := range k.l4() {
			f := append([]byte(nil), whole[:n]...)
			if !decapsulateECN(f, ce) || !bytes.Equal(f, whole[:n]) {
				t.Errorf("%+v: %d bytes became %x", k, n, f)
			}
		}
	}
	if f := plain(60, 1); !decapsulateECN(f, ce) || !bytes.Equal(f, plain(60, 1)) {
		t.Errorf("a frame without IP became %x", f)
	}
}

func TestInnerTOS(t *testing.T) {
	for tos := range 256 {
		for _, k := range []spec{{}, {v6: true}, {tags: 1}, {v6: true, tags: 1}} {
			k.tos = uint8(tos)
			if got := innerTOS(k.build(t)); got != k.tos {
				t.Errorf("%+v: %#02x, want %#02x", k, got, k.tos)
			}
		}
	}
	whole := spec{tags: 1, tos: 0xff}.build(t)
	for n := range frame.EthernetLen + frame.TagLen + 2 {
		if got := innerTOS(whole[:n]); got != 0 {
			t.Errorf("%d bytes: %#02x", n, got)
		}
	}
	if got := innerTOS(plain(60, 1)); got != 0 {
		t.Errorf("a frame without IP: %#02x", got)
	}
}
