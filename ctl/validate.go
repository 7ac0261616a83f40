package ctl

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"weft/frame"
	"weft/impair"
)

// The bounds of numbers that users give.
const (
	// MinMTU is what every IPv4 host must be able to receive (RFC 791 section
	// 3.1). IPv6 wants 1280, but a network need not carry IPv6.
	MinMTU = 576
	// MaxMTU is the longest IP packet, and the most a TAP takes.
	MaxMTU = 65535
	// MaxAgeSeconds is the longest ageing time of a bridge (IEEE 802.1Q-2018
	// table 8-6).
	MaxAgeSeconds = 1_000_000
	// MaxFDBLimit bounds the memory of one network to about 1 GiB.
	MaxFDBLimit = 1 << 24
	// MaxIfName is Linux's IFNAMSIZ less the final NUL.
	MaxIfName = 15
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// owner is whose field is checked, for the message: `network "blue"`.
type owner string

func ownerOf(kind, name string) owner { return owner(kind + " " + quote(name)) }

// bad reports that the owner's field is wrong.
func (o owner) bad(field, format string, args ...any) error {
	problem := fmt.Sprintf(format, args...)
	return &Error{
		Status:  http.StatusBadRequest,
		Message: fmt.Sprintf("%s: %s: %s", o, field, problem),
		Field:   field,
		Problem: problem,
	}
}

// check is bad when problem is not empty.
func (o owner) check(field, problem string) error {
	if problem == "" {
		return nil
	}
	return o.bad(field, "%s", problem)
}

// firstOf gives the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Validate checks each field by itself; the zero value of an optional one is right.
func (s NetworkSpec) Validate() error {
	o := ownerOf("network", s.Name)
	return firstOf(
		o.check("name", nameProblem(s.Name)),
		o.check("vni", errorText(frame.VNI(s.VNI).Validate())),
		o.check("mtu", rangeProblem(int64(s.MTU), MinMTU, MaxMTU)),
		o.check("fdb_limit", rangeProblem(int64(s.FDBLimit), 1, MaxFDBLimit)),
		o.check("port_fdb_limit", rangeProblem(int64(s.PortFDBLimit), 1, MaxFDBLimit)),
		o.check("age_seconds", rangeProblem(s.AgeSeconds, 1, MaxAgeSeconds)),
	)
}

// Validate checks each field by itself and those that exclude each other.
func (s PortSpec) Validate() error {
	o := ownerOf("port", s.Name)
	err := firstOf(
		o.check("name", nameProblem(s.Name)),
		o.check("network", nameProblem(s.Network)),
		o.check("netns", netnsProblem(s.NetNS)),
		s.validateType(o),
		o.check("mac", optional(s.MAC, stationProblem)),
		o.check("mtu", rangeProblem(int64(s.MTU), MinMTU, MaxMTU)),
	)
	if err != nil {
		return err
	}
	seen := map[netip.Prefix]bool{}
	for i, a := range s.Address {
		field := fmt.Sprintf("address[%d]", i)
		p, problem := parsePrefix(a)
		if problem == "" && seen[p] {
			problem = quote(a) + " is there twice"
		}
		if problem != "" {
			return o.bad(field, "%s", problem)
		}
		seen[p] = true
	}
	return firstOf(s.validateVLANs(o), o.conditions("impair", s.Impair.Validate()))
}

// conditions is bad where the conditions of a link are.
func (o owner) conditions(field string, err error) error {
	var e *impair.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return o.bad(field+"."+e.Key, "%s", e.Problem)
	}
	return o.bad(field, "%v", err)
}

// Validate checks each field by itself.
func (s LinkSpec) Validate() error {
	o := owner("link")
	var both impair.Both
	if s.To != nil {
		both.To = *s.To
	}
	if s.From != nil {
		both.From = *s.From
	}
	if s.State != "" && s.State != StateUp && s.State != StateDown {
		return o.bad("state", "%s is no state of a link (want %s or %s)", quote(s.State), StateUp, StateDown)
	}
	return o.conditions("impair", both.Validate())
}

func (s PortSpec) validateVLANs(o owner) error {
	switch {
	case s.Access != 0 && len(s.Trunk) != 0:
		return o.bad("access", "a port is either access or trunk, not both")
	case s.Native != 0 && len(s.Trunk) == 0:
		return o.bad("native", "only a trunk has a native VLAN (give trunk too, or access instead)")
	case s.Access != 0:
		return o.check("access", errorText(frame.VLAN(s.Access).Validate()))
	case s.Native != 0:
		if err := frame.VLAN(s.Native).Validate(); err != nil {
			return o.bad("native", "%v", err)
		}
	}
	for i := range s.Trunk {
		if _, err := ParseVLANs(s.Trunk[i : i+1]); err != nil {
			return o.bad(fmt.Sprintf("trunk[%d]", i), "%v", err)
		}
	}
	return nil
}

// IfName is the name of the port's interface.
func (s PortSpec) IfName() string {
	if s.As != "" {
		return s.As
	}
	return s.Name
}

func (s PortSpec) ifNameProblem() string {
	if s.As == "" && len(s.Name) > MaxIfName {
		return fmt.Sprintf("must be given, for the port's own name is longer than the %d characters of an interface's", MaxIfName)
	}
	name := s.IfName()
	if len(name) > MaxIfName {
		return fmt.Sprintf("%s is longer than the %d characters of an interface's name", quote(name), MaxIfName)
	}
	// What Linux refuses, and "%", which it takes for a template to fill in.
	odd := func(r rune) bool {
		return r == '/' || r == ':' || r == '%' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}
	if name == "." || name == ".." || strings.ContainsFunc(name, odd) {
		return quote(name) + ` cannot be an interface's name (no space, "/", ":" or "%")`
	}
	return ""
}

// Validate checks each field by itself.
func (s PeerSpec) Validate() error {
	o := ownerOf("peer", s.Address)
	if err := o.check("address", unicastProblem(s.Address)); err != nil {
		return err
	}
	for i, n := range s.Networks {
		field := fmt.Sprintf("networks[%d]", i)
		if err := o.check(field, nameProblem(n)); err != nil {
			return err
		}
		if slices.Contains(s.Networks[:i], n) {
			return o.bad(field, "%s is there twice", quote(n))
		}
	}
	return nil
}

// Validate checks each field by itself, and that there is one destination.
func (s FDBSpec) Validate() error {
	o := ownerOf("fdb entry", s.MAC)
	switch {
	case s.Port == "" && s.Peer == "":
		return o.bad("port", "one of port and peer must be given")
	case s.Port != "" && s.Peer != "":
		return o.bad("peer", "port and peer exclude each other")
	}
	return firstOf(
		s.ValidateKey(),
		o.check("port", optional(s.Port, nameProblem)),
		o.check("peer", optional(s.Peer, unicastProblem)),
	)
}

// ValidateKey checks what names an entry: network, MAC and VLAN.
func (s FDBSpec) ValidateKey() error {
	o := ownerOf("fdb entry", s.MAC)
	err := firstOf(
		o.check("network", nameProblem(s.Network)),
		o.check("mac", stationProblem(s.MAC)),
	)
	if err == nil && s.VLAN != 0 {
		err = o.check("vlan", errorText(frame.VLAN(s.VLAN).Validate()))
	}
	return err
}

// Validate checks each field by itself.
func (f FDBFilter) Validate() error {
	o := owner("fdb")
	return firstOf(
		o.check("network", optional(f.Network, nameProblem)),
		o.check("port", optional(f.Port, nameProblem)),
		o.check("peer", optional(f.Peer, unicastProblem)),
	)
}

// Validate checks each field by itself.
func (s VTEPSpec) Validate() error {
	return owner("vtep").check("address", unicastProblem(s.Address))
}

// OffloadSetting is a field of an [OffloadSpec].
type OffloadSetting struct {
	Key    string // in files
	Value  *string
	values []string
}

// Settings are the fields of s, in the order of files.
func (s *OffloadSpec) Settings() []OffloadSetting {
	both := []string{OffloadAuto, OffloadOff}
	return []OffloadSetting{
		{"tap", &s.TAP, []string{OffloadAuto, OffloadOff, OffloadPortable}},
		{"gso", &s.GSO, both},
		{"gro", &s.GRO, both},
		{"tunnel_gso", &s.TunnelGSO, both},
		{"spin", &s.Spin, both},
		{"priority", &s.Priority, both},
		{"io_uring", &s.IOUring, both},
	}
}

// Validate checks each field by itself.
func (s OffloadSpec) Validate() error {
	o := owner("offload")
	for _, f := range s.Settings() {
		if err := o.check(f.Key, offloadProblem(*f.Value, f.values...)); err != nil {
			return err
		}
	}
	return nil
}

// The functions below say what is wrong with a value, "" when nothing is.

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func optional(s string, problem func(string) string) string {
	if s == "" {
		return ""
	}
	return problem(s)
}

func nameProblem(s string) string {
	if s == "" {
		return "is missing"
	}
	if !nameForm.MatchString(s) {
		return quote(s) + ` is not a name (want 1 to 63 letters, digits, "_", "." and "-", a letter or digit first)`
	}
	return ""
}

// rangeProblem takes 0 for "not given".
func rangeProblem(n, low, high int64) string {
	if n == 0 || low <= n && n <= high {
		return ""
	}
	return fmt.Sprintf("%d is out of range (want %d to %d)", n, low, high)
}

func offloadProblem(s string, settings ...string) string {
	if s == "" || slices.Contains(settings, s) {
		return ""
	}
	last := len(settings) - 1
	return fmt.Sprintf("%s is not a setting (want %s or %s)", quote(s), strings.Join(settings[:last], ", "), settings[last])
}

func stationProblem(s string) string {
	mac, err := frame.ParseMAC(s)
	switch {
	case err != nil:
		return fmt.Sprintf("%s is %v (want six octets such as 02:00:5e:10:00:01)", quote(s), frame.ErrMAC)
	case mac.IsZero():
		return fmt.Sprintf("%s is the address of no station", mac)
	case mac.IsGroup():
		return fmt.Sprintf("%s is a group address (want a station's: its first octet is even)", mac)
	}
	return ""
}

func netnsProblem(s string) string {
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
	pid, err := strconv.Atoi(s)
	switch {
	case s == "" || strings.HasPrefix(s, "/") && !strings.ContainsRune(s, 0):
		return ""
	case err == nil && pid <= 0,
		s == "." || s == "..", strings.Contains(s, "/"), strings.ContainsFunc(s, odd):
		return quote(s) + " is no network namespace (want a name, a process id, or a path from /)"
	}
	return ""
}
