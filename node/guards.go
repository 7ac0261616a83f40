package node

import (
	"weft/ctl"
	"weft/impair"
	vswitch "weft/switch"
	"weft/tunnel"
)

// Where the types meet.
var (
	_ vswitch.Port   = (*impair.Outbound)(nil)
	_ vswitch.Polled = (*impair.Inbound)(nil)
	_ carrier        = tapDevice{}
	_ device         = tapDevice{}
	_ vswitch.Port   = (*tunnel.Hop)(nil)
	_ source         = (*tapSource)(nil)
	_ device         = connDevice{}
	_ source         = (*listenSource)(nil)
	_ source         = (*dialSource)(nil)
	_ device         = (*dgramDevice)(nil)
	_ source         = (*dgramSource)(nil)
	_ vswitch.Rx     = (*tunnel.Rx)(nil)
	_ ctl.Backend    = (*Node)(nil)
)
