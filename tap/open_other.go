//go:build !linux

package tap

import (
	"fmt"

	"github.com/songgao/water"
)

// Open makes a TAP with the portable backend. Namespaces, addresses, MAC and
// MTU are Linux's; elsewhere the system's own tools set them.
func Open(c Config) (*Port, error) {
	if c.NetNS != "" || len(c.Addresses) > 0 || !c.MAC.IsZero() {
		return nil, fmt.Errorf("TAP %q: namespace, address and MAC: %w", c.IfName, ErrUnsupported)
	}
	ifce, err := water.New(water.Config{DeviceType: water.TAP})
	if err != nil {
		return nil, fmt.Errorf("open TAP %q: %w", c.IfName, err)
	}
	return &Port{dev: wrapWater(ifce), ifName: ifce.Name(), mtu: c.MTU}, nil
}

// Reconfigure changes nothing here.
func (p *Port) Reconfigure(_, _ Config) error { return ErrUnsupported }
