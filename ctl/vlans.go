package ctl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weft/frame"
)

// ParseVLANs reads VLAN ids and ranges of them ("20-29", both ends included)
// and gives the ids in ascending order, each once.
func ParseVLANs(list []string) ([]frame.VLAN, error) {
	var ids []frame.VLAN
	for _, s := range list {
		lowText, highText, isRange := strings.Cut(s, "-")
		if !isRange {
			highText = lowText
		}
		low, err := parseVLAN(lowText)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(s), err)
		}
		high, err := parseVLAN(highText)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(s), err)
		}
		if low > high {
			return nil, fmt.Errorf("%s: %w: the range runs backwards", quote(s), frame.ErrVLAN)
		}
		for id := low; id <= high; id++ {
			ids = append(ids, id)
		}
		// At once, so that a long list of ranges never holds more than 8,188 ids.
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids, nil
}

func parseVLAN(s string) (frame.VLAN, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s is %w (want 1 to %d)", quote(s), frame.ErrVLAN, frame.MaxVLAN)
	}
	return frame.VLAN(n), frame.VLAN(n).Validate()
}

// FormatVLANs is the inverse of [ParseVLANs] for ascending ids: "10,20-29".
func FormatVLANs(ids []frame.VLAN) string {
	var parts []string
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[n-1]+1 {
			n++
		}
		if n == 1 {
			parts = append(parts, strconv.Itoa(int(ids[0])))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ids[0], ids[n-1]))
		}
		ids = ids[n:]
	}
	return strings.Join(parts, ",")
}

// VLANs describes the port's filter in the words of [Port].VLAN. The spec is
// a valid one.
func (s PortSpec) VLANs() string {
	switch {
	case s.Access != 0:
		return fmt.Sprintf("access %d", s.Access)
	case len(s.Trunk) == 0:
		return ""
	}
	ids, _ := ParseVLANs(s.Trunk) // valid, as said above
	if s.Native == 0 {
		return "trunk " + FormatVLANs(ids)
	}
	return fmt.Sprintf("trunk %s native %d", FormatVLANs(ids), s.Native)
}
