package topology

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"weft/ctl"
)

// What follows is about files of containerlab: what of them is taken for what,
// and what has no meaning here. Most of it configures the containers of its
// node kinds, and its management network.

// As says what kinds of other programs are taken for, by the name that a file
// has.
type As map[string]Kind

// Add reads NAME=KIND, or several with commas between them.
func (a As) Add(s string) error {
	for s := range strings.SplitSeq(s, ",") {
		name, kind, ok := strings.Cut(s, "=")
		if !ok || name == "" || !slices.Contains(Kinds, Kind(kind)) {
			return fmt.Errorf("%q says no kind for another (want NAME=KIND such as nokia_srlinux=host; KIND is one of %s)", s, kindNames())
		}
		a[name] = Kind(kind)
	}
	return nil
}

// aliases are the kinds that are one of ours under another name.
var aliases = As{"linux": Container, "bridge": Switch, "ovs-bridge": Switch}

// Keys that are read over, with a note that says so.
var (
	foreignTop  = []string{"mgmt", "settings", "debug"}
	foreignNode = []string{
		"SANs", "aliases", "auto-remove", "binds", "cap-add", "certificate", "cmd", "components", "config", "cpu", "cpu-set",
		"credentials", "devices", "dns", "enforce-startup-config", "entrypoint", "extras", "healthcheck", "image",
		"image-pull-policy", "license", "memory", "mgmt-ipv4", "mgmt-ipv6", "mgmt_ipv4", "mgmt_ipv6", "network-mode", "ports",
		"publish", "restart-policy", "runtime", "sandbox", "shm-size", "stages", "startup-config", "startup-delay",
		"suppress-startup-config", "sysctls", "type", "user", "wait-for",
	}
)

// note is a key that has no meaning here, and the lines in which it stands.
type note struct {
	name  string // the last part of the key
	text  string
	lines []int
}

// unused notes a key that is read over. A file with twenty nodes may have it
// twenty times and gets one line.
func (r *reader) unused(v value) {
	name := v.key[strings.LastIndexByte(v.key, '.')+1:]
	for i := range r.notes {
		n := &r.notes[i]
		if n.name == name {
			if !slices.Contains(n.lines, v.line) { // what nodes have in common is read for each
				n.lines = append(n.lines, v.line)
			}
			return
		}
	}
	text := fmt.Sprintf("%s:%d: %s: has no meaning here and is left out", r.file, v.line, v.key)
	r.notes = append(r.notes, note{name, text, []int{v.line}})
}

// noted lists the notes, a line each.
func (r *reader) noted() (lines []string) {
	for _, n := range r.notes {
		text := n.text
		if more := len(n.lines) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		lines = append(lines, text)
	}
	return lines
}

// kind finds the kind of that name, and reports whether the name is another
// program's.
func (r *reader) kind(v value, s string) (k Kind, foreign bool) {
	if k, ok := r.as[s]; ok {
		return k, true
	}
	if slices.Contains(Kinds, Kind(s)) {
		return Kind(s), false
	}
	if k, ok := aliases[s]; ok {
		return k, true
	}
	if key := "unknown kind " + s; r.lines[key] == 0 { // told once
		r.lines[key] = v.line
		r.fail(v, "unknown kind %q (want one of %s; or have a host in its place: --kind %s=host)", s, kindNames(), s)
	}
	return "", false
}

func kindNames() string {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// outside are the names by which an end of a link is not a node, but the
// machine itself or something on it.
var outside = []string{"host", "mgmt-net", "macvlan", "macvtap"}

// linkType reads what kind of link it is: "veth", or "vxlan". It is "" for one
// that is refused.
func (r *reader) linkType(v value) string {
	for _, p := range r.scalarPairs(v) {
		if p.name != "type" {
			continue
		}
		switch s, _ := text(p.node); s {
		case linkVETH:
		case linkVXLAN, "vxlan-stitch": // the other is an end of containerlab's own making
			return linkVXLAN
		default:
			r.fail(p.value, "links of type %q are not supported (want veth or vxlan; to another machine goes a node of kind remote)", s)
			return ""
		}
	}
	return linkVETH
}

const (
	linkVETH  = "veth"
	linkVXLAN = "vxlan"
	// foreignVXLANPort is where containerlab listens for VXLAN, which is not
	// the port of RFC 7348.
	foreignVXLANPort = 14789
)

// farEnd reads what a link of type vxlan says of the other machine, into a node
// of kind remote.
func (r *reader) farEnd(n *Node) readers {
	n.Kind, n.Peers, n.VTEP = Remote, nil, &ctl.VTEPSpec{Port: foreignVXLANPort}
	return readers{
		"remote":   func(v value) { r.remoteAddress(v, n) },
		"vni":      setNumber(r, &n.VNI, 1, maxVNI),
		"udp-port": setNumber(r, &n.VTEP.Port, 1, math.MaxUint16),
	}
}

// addFarEnd gives the lab the other machine of a link in v, and is its end.
func (r *reader) addFarEnd(v value, t *Topology, n Node) End {
	n.Name = fmt.Sprintf("vxlan%d", n.VNI)
	if len(n.Peers) == 0 || n.VNI == 0 {
		r.fail(v, "a link of type vxlan needs remote (an address) and vni")
		return End{}
	}
	n.Peers[0].Port = n.VTEP.Port
	if t.Node(n.Name) != nil {
		r.fail(v, "the far end would be called %s, and there is one of that name", n.Name)
	}
	r.lines["node "+n.Name] = v.line
	t.Nodes = append(t.Nodes, n)
	return End{Node: n.Name}
}
