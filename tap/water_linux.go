package tap

import "github.com/songgao/water"

func openWater(ifName string) (device, error) {
	c := water.Config{DeviceType: water.TAP}
	c.Name = ifName
	ifce, err := water.New(c)
	if err != nil {
		return nil, err
	}
	return wrapWater(ifce), nil
}
