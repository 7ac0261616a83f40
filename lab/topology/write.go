package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"weft/ctl"
	"weft/impair"
)

// writer writes YAML.
type writer struct {
	b    strings.Builder
	item bool // the next line is the first of an item of a list
}

func (w *writer) line(depth int, format string, args ...any) {
	if w.item {
		w.item = false
		w.b.WriteString(strings.Repeat("  ", depth-1) + "- ")
	} else {
		w.b.WriteString(strings.Repeat("  ", depth))
	}
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// text writes a key with a string, nothing for "".
func (w *writer) text(depth int, key, value string) {
	if value != "" {
		w.line(depth, "%s: %s", key, quoted(value))
	}
}

func (w *writer) number(depth int, key string, value int64) {
	if value != 0 {
		w.line(depth, "%s: %d", key, value)
	}
}

func (w *writer) yes(depth int, key string, value bool) {
	if value {
		w.line(depth, "%s: true", key)
	}
}

// list writes a key with a list of strings, nothing for none.
func (w *writer) list(depth int, key string, values []string) {
	if len(values) == 0 {
		return
	}
	w.line(depth, "%s:", key)
	for _, v := range values {
		w.line(depth+1, "- %s", quoted(v))
	}
}

// plain is what needs no quotes with any reader of YAML, but for some words:
// names, IPv4 addresses with or without a prefix, and numbers with a unit.
var plain = regexp.MustCompile(`^([A-Za-z/][A-Za-z0-9_/.-]*|\d+(\.\d+){3}(/\d+)?|\d+(\.\d+)?([num]?s|[kmg]?bit|[KMG]|%))$`)

// notText are the words that YAML 1.1 or 1.2 take for something else.
var notText = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// quoted is a string in YAML's double quotes, whose escapes are JSON's and so
// almost Go's; without where they are not needed.
func quoted(s string) string {
	if plain.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) {
		return s
	}
	return strconv.QuoteToGraphic(s)
}

func flow(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quoted(v)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// Marshal writes the topology as a file that reads back the same.
func (t *Topology) Marshal() []byte {
	w := &writer{}
	w.text(0, "name", t.Name)
	w.line(0, "topology:")
	w.line(1, "nodes:")
	for i := range t.Nodes {
		w.node(&t.Nodes[i])
	}
	if len(t.Links) > 0 {
		w.line(1, "links:")
	}
	for i := range t.Links {
		w.link(&t.Links[i])
	}
	if t.Offload != (ctl.OffloadSpec{}) {
		w.line(0, "offload:")
	}
	for _, f := range t.Offload.Settings() {
		w.text(1, f.Key, *f.Value)
	}
	if len(t.Tests) > 0 {
		w.line(0, "tests:")
	}
	for i := range t.Tests {
		w.test(&t.Tests[i])
	}
	return []byte(w.b.String())
}

func (w *writer) node(n *Node) {
	w.line(2, "%s:", quoted(n.Name))
	w.text(3, "kind", string(n.Kind))
	if n.Kind == Remote {
		w.remote(n)
		return
	}
	var addressed, named []Interface
	for _, i := range n.Interfaces {
		if len(i.Address) > 0 {
			addressed = append(addressed, i)
		}
		if i.MAC != "" {
			named = append(named, i)
		}
	}
	if len(addressed) > 0 {
		w.line(3, "address:")
	}
	for _, i := range addressed {
		w.line(4, "%s: %s", quoted(i.Name), flow(i.Address))
	}
	if len(named) > 0 {
		w.line(3, "mac:")
	}
	for _, i := range named {
		w.text(4, quoted(i.Name), i.MAC)
	}
	w.list(3, "exec", n.Exec)
	w.list(3, "env", n.Env)
	w.number(3, "mtu", int64(n.MTU))
	w.yes(3, "forward_reserved", n.ForwardReserved)
	w.text(3, "image", n.Image)
	w.text(3, "memory", n.Memory)
	w.number(3, "cpu", int64(n.CPU))
	w.text(3, "kernel", n.Kernel)
	w.text(3, "initrd", n.Initrd)
	w.text(3, "append", n.Append)
	w.yes(3, "manual", n.Manual)
	w.text(3, "cmd", n.Command)
	w.list(3, "binds", n.Binds)
	w.router(n)
}

func (w *writer) remote(n *Node) {
	w.text(3, "address", ctl.FormatHostPort(n.Peer().Address, n.Peer().Port))
	w.number(3, "vni", int64(n.VNI))
	w.vtep(n.VTEP)
}

func (w *writer) vtep(v *ctl.VTEPSpec) {
	if v == nil {
		return
	}
	w.line(3, "vtep:")
	w.text(4, "address", v.Address)
	w.number(4, "port", int64(v.Port))
	w.yes(4, "strict", v.Strict)
}

func (w *writer) router(n *Node) {
	w.vtep(n.VTEP)
	if len(n.Networks) > 0 {
		w.line(3, "networks:")
	}
	for _, x := range n.Networks {
		w.line(4, "%s:", quoted(x.Name))
		w.number(5, "vni", int64(x.VNI))
		w.number(5, "mtu", int64(x.MTU))
		if x.AgeSeconds != 0 {
			w.text(5, "age", (time.Duration(x.AgeSeconds) * time.Second).String())
		}
		w.number(5, "fdb_limit", int64(x.FDBLimit))
		w.number(5, "port_fdb_limit", int64(x.PortFDBLimit))
		w.yes(5, "forward_reserved", x.ForwardReserved)
		w.yes(5, "no_learning", x.NoLearning)
		w.list(5, "ports", x.Ports)
	}
	if len(n.Peers) > 0 {
		w.line(3, "peers:")
	}
	for _, p := range n.Peers {
		w.line(4, "- address: %s", quoted(p.Address))
		w.number(5, "port", int64(p.Port))
		w.list(5, "networks", p.Networks)
	}
}

func (w *writer) link(l *Link) {
	w.line(2, "- endpoints: %s", flow([]string{l.A.String(), l.B.String()}))
	w.number(3, "mtu", int64(l.MTU))
	if l.Down {
		w.text(3, "state", ctl.StateDown)
	}
	switch ab, ba := l.ImpairAB, l.ImpairBA; {
	case ab.IsZero() && ba.IsZero():
	case ab == ba:
		w.line(3, "impair: %s", conditions(ab))
	default:
		w.line(3, "impair:")
		w.line(4, "a-to-b: %s", conditions(ab))
		w.line(4, "b-to-a: %s", conditions(ba))
	}
}

// conditions are a mapping on one line.
func conditions(s impair.Spec) string {
	var out []string
	for key, value := range s.All() {
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			value = quoted(value)
		}
		out = append(out, key+": "+value)
	}
	return "{" + strings.Join(out, ", ") + "}"
}

func (w *writer) test(t *Test) {
	w.item = true
	w.text(2, "name", t.Name)
	switch {
	case t.Ping != nil:
		p := t.Ping
		w.line(2, "ping:")
		w.text(3, "from", p.From)
		w.text(3, "to", p.To)
		w.number(3, "count", int64(p.Count))
		w.number(3, "size", int64(p.Size))
		w.text(3, "interval", p.Interval.String())
		w.text(3, "loss", p.Loss.Text)
		if p.RTT != nil {
			w.text(3, "rtt", p.RTT.Text)
		}
		w.within(p.Within)
	case t.Exec != nil:
		w.line(2, "exec:")
		w.text(3, "node", t.Exec.Node)
		w.text(3, "run", t.Exec.Run)
		w.text(3, "expect", t.Exec.Expect)
		w.within(t.Exec.Within)
	case t.Link != nil:
		w.line(2, "link:")
		w.text(3, "end", t.Link.End.String())
		w.text(3, "state", t.Link.State)
		if t.Link.Impair != nil {
			w.line(3, "impair: %s", conditions(*t.Link.Impair))
		}
	}
}

func (w *writer) within(d time.Duration) {
	if d != 0 {
		w.text(3, "within", d.String())
	}
}
