package systems

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"weft/internal/netns"
)

// System is a way to join clients.
type System struct {
	Name  string // a word, for the command line and the columns
	Title string
	Scene Scene
	// Userspace: frames go through a process.
	Userspace bool
	// Layer3: carries IP packets, not frames; what sends bare Ethernet frames
	// is not measured.
	Layer3 bool
	// MaxClients is how many a side can have, 0 for any number.
	MaxClients int
	// OnePeer: has no flood set that VTEPs which are not there could be in.
	OnePeer bool
	// MainOnly: is in the main measures of the full form only, beside a better
	// way to run the same program.
	MainOnly bool
	// MaxMTU is that of the largest underlay it works on, in bytes, 0 for any.
	MaxMTU int
	// Programs must be in the PATH; Package is Debian's that has them.
	Programs []string
	Package  string

	version []string // a command whose first line says it
	up      func(context.Context, *Picture) error
}

// Others are the systems that weft is compared with.
func Others() []*System {
	return []*System{
		{
			Name: "kernel", Title: "Linux VXLAN and bridge", Scene: TwoHosts,
			version: []string{"uname", "-r"}, up: kernelUp,
		},
		ovs("ovs", "TAPs", TwoHosts, false),
		ovs("ovs-veth", "veths", TwoHosts, true),
		{
			Name: "tinc", Title: "tinc, switch mode, no encryption", Scene: TwoHosts, Userspace: true, MaxClients: 1, OnePeer: true,
			Programs: []string{"tincd"}, Package: "tinc",
			version: []string{"tincd", "--version"}, up: tincUp,
		},
		{
			Name: "wireguard-go", Title: "wireguard-go (layer 3, encrypted)", Scene: TwoHosts, Userspace: true, Layer3: true, MaxClients: 1, OnePeer: true,
			Programs: []string{"wireguard-go", "wg"}, Package: "wireguard-go wireguard-tools",
			version: []string{"wireguard-go", "--version"}, up: wireguardUp,
		},
		{
			Name: "bridge", Title: "Linux bridge, veths", Scene: OneHost,
			version: []string{"uname", "-r"}, up: bridgeUp,
		},
		{
			Name: "vde", Title: "VDE switch, TAPs", Scene: OneHost, Userspace: true,
			Programs: []string{"vde_switch"}, Package: "vde2",
			version: []string{"vde_switch", "--version"}, up: vdeUp,
		},
		ovs("ovs", "TAPs", OneHost, false),
		ovs("ovs-veth", "veths", OneHost, true),
	}
}

// ovs is Open vSwitch with one kind of port. Most measures are of that with
// TAPs, which is faster. But a TAP is moved to its client after it was made,
// where the datapath can neither ask nor set its MTU; it takes 1500 bytes for
// granted, whatever mtu_request says, and what is longer is lost. On an underlay
// with a larger MTU veths stand for both.
func ovs(name, ports string, scene Scene, veth bool) *System {
	maxMTU := netns.DefaultMTU
	if veth {
		maxMTU = 0
	}
	return &System{
		Name: name, Title: "Open vSwitch, userspace datapath, " + ports, Scene: scene, Userspace: true, MainOnly: veth, MaxMTU: maxMTU,
		Programs: []string{"ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl"}, Package: "openvswitch-switch",
		version: []string{"ovs-vswitchd", "--version"}, up: ovsUp(veth),
	}
}

// Missing says what must be installed first, "" when all is there.
func (s *System) Missing() string {
	for _, p := range s.Programs {
		if _, err := exec.LookPath(p); err != nil {
			if s.Package == "" {
				return fmt.Sprintf("no %s here", p)
			}
			return fmt.Sprintf("no %s here (apt-get install %s)", p, s.Package)
		}
	}
	return ""
}

// Version is what the program says of itself, in a line.
func (s *System) Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, s.version[0], s.version[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(s.version, " "), err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line, nil
}
