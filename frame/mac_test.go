package frame

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	want := MAC{0x02, 0x00, 0x5e, 0x10, 0xab, 0x01}
	for _, s := range []string{"02:00:5e:10:ab:01", "02:00:5E:10:AB:01", "02-00-5e-10-ab-01", "0200.5e10.ab01"} {
		if got, err := ParseMAC(s); err != nil || got != want {
			t.Errorf("ParseMAC(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "02", "02:00:5e:10:ab", "02:00:5e:10:ab:01:02:03", "02:00:5e:10:ab:0g", "02:00:5e:10:ab:001",
		"02-00:5e-10:ab-01", " 02:00:5e:10:ab:01",
		"00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01",
	} {
		got, err := ParseMAC(s)
		if !errors.Is(err, ErrMAC) || got != (MAC{}) {
			t.Errorf("ParseMAC(%q) = %v, %v", s, got, err)
		} else if msg := err.Error(); strings.Contains(msg, "\n") || !strings.Contains(msg, "02:00:5e:10:00:01") {
			t.Errorf("ParseMAC(%q) explains %q", s, msg)
		}
	}
}

func TestMACKinds(t *testing.T) {
	for s, want := range map[string]struct{ group, zero, reserved bool }{
		"02:00:00:00:00:01": {},
		"00:00:00:00:00:00": {zero: true},
		"00:00:00:00:00:01": {},
		"01:00:00:00:00:00": {group: true},
		"ff:ff:ff:ff:ff:ff": {group: true},
		"33:33:00:00:00:01": {group: true},
		"01:80:c2:00:00:00": {group: true, reserved: true},
		"01:80:c2:00:00:0e": {group: true, reserved: true},
		"01:80:c2:00:00:0f": {group: true, reserved: true},
		"01:80:c2:00:00:10": {group: true},
		"01:80:c2:00:01:00": {group: true},
		"01:80:c2:01:00:00": {group: true},
		"01:80:c3:00:00:00": {group: true},
		"01:81:c2:00:00:00": {group: true},
		"00:80:c2:00:00:00": {},
	} {
		m, err := ParseMAC(s)
		if err != nil {
			t.Fatal(err)
		}
		if m.IsGroup() != want.group || m.IsZero() != want.zero || m.IsReserved() != want.reserved {
			t.Errorf("%s: group %v, zero %v, reserved %v; want %+v", s, m.IsGroup(), m.IsZero(), m.IsReserved(), want)
		}
	}
	if !Broadcast.IsGroup() || Broadcast.String() != "ff:ff:ff:ff:ff:ff" {
		t.Errorf("Broadcast is %v", Broadcast)
	}
}

func TestMACNumbers(t *testing.T) {
	m := MAC{1, 2, 3, 4, 5, 6}
	if v := m.Uint64(); v != 0x010203040506 {
		t.Errorf("Uint64 = %#x", v)
	}
	if got := MACFromUint64(0xffff_0102_0304_0506); got != m {
		t.Errorf("MACFromUint64 = %v", got)
	}
}

func TestMACText(t *testing.T) {
	type doc struct {
		MAC MAC `json:"mac"`
	}
	in := doc{MAC{2, 0, 0, 0, 0, 0xab}}
	out, err := json.Marshal(in)
	if err != nil || string(out) != `{"mac":"02:00:00:00:00:ab"}` {
		t.Fatalf("%s, %v", out, err)
	}
	var back doc
	if err := json.Unmarshal(out, &back); err != nil || back != in {
		t.Errorf("%v, %v", back, err)
	}
	back = in
	if err := json.Unmarshal([]byte(`{"mac":"2:0"}`), &back); !errors.Is(err, ErrMAC) || back != in {
		t.Errorf("bad address: %v, %v", back, err)
	}
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"02:00:5e:10:00:01", "02-00-5e-10-00-01", "0200.5e10.0001", "", "::::::", "02:00:5e:10:00:01:02:03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMAC(s)
		if err != nil {
			if !errors.Is(err, ErrMAC) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := ParseMAC(m.String()); err != nil || again != m || MACFromUint64(m.Uint64()) != m {
			t.Fatalf("%q reads as %v, and that as %v, %v", s, m, again, err)
		}
	})
}
