package frame

import (
	"regexp"
	"testing"
)

// Programs rely on the words: each reason has one of its own.
func TestDropReasons(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]DropReason{}
	for r := range NumDropReasons {
		s := r.String()
		if !word.MatchString(s) {
			t.Errorf("reason %d is called %q, want a lower_snake word", r, s)
		}
		if other, ok := seen[s]; ok {
			t.Errorf("reasons %d and %d are both called %q", other, r, s)
		}
		seen[s] = r
	}
	for _, s := range []string{
		"unknown_vni", "unknown_vtep", "bad_vxlan_header", "reserved_bits", "too_big",
		"source_is_group", "reserved_address", "ecn_not_capable", "static_violation", "fdb_limit",
		"no_destination", "port_down", "queue_full", "malformed",
	} {
		if _, ok := seen[s]; !ok {
			t.Errorf("no reason is called %q, which users were promised", s)
		}
	}
	if got := NumDropReasons.String(); got == "" || seen[got] != 0 {
		t.Errorf("an unknown reason is called %q", got)
	}
}
