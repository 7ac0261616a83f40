package tap

import "github.com/songgao/water"

// openWater makes the interface and gives the name that it got.
func openWater(name string) (device, string, error) {
	c := water.Config{DeviceType: water.TAP}
	c.Name = name
	ifce, err := water.New(c)
	if err != nil {
		return nil, "", err
	}
	return wrapWater(ifce), ifce.Name(), nil
}
