package tunnel

import (
	"errors"
	"net/netip"
)

// ErrNoRoute: the underlay has no way to the address at present.
var ErrNoRoute = errors.New("no route")

// Overhead is what a tunnel between addresses of a's family takes of the
// underlay's MTU, in bytes.
func Overhead(a netip.Addr) int {
	if a.Is4() {
		return OverheadV4
	}
	return OverheadV6
}
