package frame

import (
	"errors"
	"testing"
)

func TestValidateVNI(t *testing.T) {
	for v, ok := range map[VNI]bool{0: false, 1: true, 42: true, 1<<24 - 1: true, 1 << 24: false, 1<<32 - 1: false} {
		if err := v.Validate(); (err == nil) != ok || (err != nil && !errors.Is(err, ErrVNI)) {
			t.Errorf("VNI %d: %v", v, err)
		}
	}
	if got, want := VNI(16777216).Validate().Error(), "16777216 is not a VNI (want 1 to 16777215)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestValidateVLAN(t *testing.T) {
	for v, ok := range map[VLAN]bool{0: false, 1: true, 4094: true, 4095: false, 4096: false, 65535: false} {
		if err := v.Validate(); (err == nil) != ok || (err != nil && !errors.Is(err, ErrVLAN)) {
			t.Errorf("VLAN %d: %v", v, err)
		}
	}
	if got, want := VLAN(4095).Validate().Error(), "4095 is not a VLAN id (want 1 to 4094)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
