package node

import (
	"weft/ctl"
	vswitch "weft/switch"
	"weft/tunnel"
)

// Where the types meet.
var (
	_ device       = tapDevice{}
	_ vswitch.Port = (*tunnel.Hop)(nil)
	_ source       = (*tapSource)(nil)
	_ vswitch.Rx   = (*tunnel.Rx)(nil)
	_ ctl.Backend  = (*Node)(nil)
)
