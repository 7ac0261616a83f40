package tunnel

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"weft/frame"
)

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		bytes           string
		valid, reserved bool
		vni             frame.VNI
	}{
		{"0800000000002a00", true, false, 42},
		{"08000000ffffff00", true, false, frame.MaxVNI},
		{"0800000000000100", true, false, 1},
		{"0800000000000000", true, false, 0},
		{"0000000000002a00", false, false, 42},
		{"f700000000002a00", false, true, 42},
		{"ff00000000002a00", true, true, 42},
		{"8800000000002a00", true, true, 42},
		{"0900000000002a00", true, true, 42},
		{"0880000000002a00", true, true, 42},
		{"0800000100002a00", true, true, 42},
		{"0800010000002a00", true, true, 42},
		{"0800000000002a01", true, true, 42},
		{"0800000000002a80", true, true, 42},
	} {
		b, err := hex.DecodeString(c.bytes)
		if err != nil {
			t.Fatal(err)
		}
		h := Header(b)
		if h.Valid() != c.valid || h.Reserved() != c.reserved || h.VNI() != c.vni {
			t.Errorf("%s: valid %t, reserved %t, VNI %d; want %+v", c.bytes, h.Valid(), h.Reserved(), h.VNI(), c)
		}
		if c.valid && !c.reserved {
			put := bytes.Repeat([]byte{0xee}, HeaderLen)
			if Header(put).Put(c.vni); !bytes.Equal(put, b) {
				t.Errorf("Put(%d) wrote %x, want %s", c.vni, put, c.bytes)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 0, 0, 42, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderLen {
			return
		}
		h := Header(b)
		if h.VNI() > frame.MaxVNI {
			t.Fatalf("VNI %d", h.VNI())
		}
		// What Put would write is exactly what is valid and has no reserved bit.
		canonical := make([]byte, HeaderLen)
		Header(canonical).Put(h.VNI())
		if bytes.Equal(canonical, b[:HeaderLen]) != (h.Valid() && !h.Reserved()) {
			t.Fatalf("%x: valid %t, reserved %t, canonical %x", b[:HeaderLen], h.Valid(), h.Reserved(), canonical)
		}
	})
}

func TestOverhead(t *testing.T) {
	if v4, v6 := Overhead(netip.MustParseAddr("10.0.0.1")), Overhead(netip.MustParseAddr("fd00::1")); v4 != 50 || v6 != 70 {
		t.Errorf("%d and %d, want 50 and 70", v4, v6)
	}
}
