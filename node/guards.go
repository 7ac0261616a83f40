package node

import (
	"weft/ctl"
	vswitch "weft/switch"
	"weft/tap"
	"weft/tunnel"
)

// Where the types meet.
var (
	_ vswitch.Port = (*tap.Port)(nil)
	_ vswitch.Port = (*tunnel.Hop)(nil)
	_ vswitch.Rx   = tap.Rx(nil)
	_ vswitch.Rx   = (*tunnel.Rx)(nil)
	_ ctl.Backend  = (*Node)(nil)
)
