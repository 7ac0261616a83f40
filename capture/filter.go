package capture

import (
	"encoding/binary"
	"net/netip"

	"weft/frame"
)

// Filter says which frames are wanted: an expression in the syntax of
// pcap-filter(7), of which it knows what people type (see [Parse]). The zero
// value wants all.
type Filter struct{ root node }

// Match reports whether the frame that head starts, size bytes long, is
// wanted.
func (f Filter) Match(head []byte, size int) bool {
	return f.root == nil || f.root.match(&view{head: head, size: size})
}

// view is a frame that is looked at.
type view struct {
	head []byte
	size int
}

// node is a part of an expression.
type node interface{ match(v *view) bool }

type (
	and struct{ a, b node }
	or  struct{ a, b node }
	not struct{ a node }
)

func (n and) match(v *view) bool { return n.a.match(v) && n.b.match(v) }
func (n or) match(v *view) bool  { return n.a.match(v) || n.b.match(v) }
func (n not) match(v *view) bool { return !n.a.match(v) }

// size compares a frame's length in bytes.
type size struct {
	n       int
	greater bool
}

func (n size) match(v *view) bool {
	if n.greater {
		return v.size >= n.n
	}
	return v.size <= n.n
}

// vlan is a tag behind tags others; any id when id is negative.
type vlan struct{ id, tags int }

func (n vlan) match(v *view) bool {
	at := 12 + n.tags*frame.TagLen
	if len(v.head) < at+4 {
		return false
	}
	switch binary.BigEndian.Uint16(v.head[at:]) {
	case frame.EtherTypeVLAN, frame.EtherTypeQinQ:
		return n.id < 0 || int(binary.BigEndian.Uint16(v.head[at+2:])&0x0fff) == n.id
	}
	return false
}

// group is a group address as destination.
type group struct{ broadcast bool }

func (n group) match(v *view) bool {
	if len(v.head) < frame.EthernetLen {
		return false
	}
	dst := frame.Ethernet(v.head).Dst()
	if n.broadcast {
		return dst == frame.Broadcast
	}
	return dst.IsGroup()
}

// sides is which ends of a frame are looked at.
type sides uint8

const (
	either sides = iota
	source
	destination
	both
)

func (s sides) of(src, dst bool) bool {
	switch s {
	case source:
		return src
	case destination:
		return dst
	case both:
		return src && dst
	default:
		return src || dst
	}
}

// etherHost is a hardware address.
type etherHost struct {
	mac  frame.MAC
	side sides
}

func (n etherHost) match(v *view) bool {
	if len(v.head) < frame.EthernetLen {
		return false
	}
	e := frame.Ethernet(v.head)
	return n.side.of(e.Src() == n.mac, e.Dst() == n.mac)
}

// etherType is that behind tags tags.
type etherType struct {
	kind uint16
	tags int
}

func (n etherType) match(v *view) bool {
	kind, _ := v.payload(n.tags)
	return kind == n.kind
}

// payload is what the frame carries behind so many tags.
func (v *view) payload(tags int) (kind uint16, rest []byte) {
	at := 12 + tags*frame.TagLen
	if len(v.head) < at+2 {
		return 0, nil
	}
	return binary.BigEndian.Uint16(v.head[at:]), v.head[at+2:]
}

const etherTypeRARP = 0x8035

// Offsets in bytes: IPv4 (RFC 791 section 3.1), IPv6 (RFC 8200 section 3), ARP
// over Ethernet for IPv4 (RFC 826).
const (
	ip4Len, ip4Frag, ip4Proto, ip4Src, ip4Dst = 20, 6, 9, 12, 16
	ip6Len, ip6Next, ip6Src, ip6Dst           = 40, 6, 8, 24
	arpLen, arpSrc, arpDst                    = 28, 14, 24

	protoFragment = 44
)

// addresses are those of an IP packet or an ARP message.
func (v *view) addresses(tags int) (kind uint16, src, dst netip.Addr) {
	kind, p := v.payload(tags)
	switch {
	case kind == frame.EtherTypeIPv4 && len(p) >= ip4Len:
		return kind, netip.AddrFrom4([4]byte(p[ip4Src:])), netip.AddrFrom4([4]byte(p[ip4Dst:]))
	case kind == frame.EtherTypeIPv6 && len(p) >= ip6Len:
		return kind, netip.AddrFrom16([16]byte(p[ip6Src:])), netip.AddrFrom16([16]byte(p[ip6Dst:]))
	case (kind == frame.EtherTypeARP || kind == etherTypeRARP) && len(p) >= arpLen:
		return kind, netip.AddrFrom4([4]byte(p[arpSrc:])), netip.AddrFrom4([4]byte(p[arpDst:]))
	}
	return 0, src, dst
}

// network is a host or a subnet; kind 0 is any protocol that has addresses.
type network struct {
	prefix netip.Prefix
	side   sides
	kind   uint16
	tags   int
}

func (n network) match(v *view) bool {
	kind, src, dst := v.addresses(n.tags)
	if kind == 0 || n.kind != 0 && kind != n.kind {
		return false
	}
	return n.side.of(n.prefix.Contains(src), n.prefix.Contains(dst))
}

// transport finds the protocol over IP and what follows the IP header; ok is
// false for a fragment other than the first.
func (v *view) transport(tags int) (kind uint16, proto int, rest []byte, ok bool) {
	kind, p := v.payload(tags)
	switch {
	case kind == frame.EtherTypeIPv4 && len(p) >= ip4Len:
		n := int(p[0]&0x0f) * 4
		first := binary.BigEndian.Uint16(p[ip4Frag:])&0x1fff == 0
		return kind, int(p[ip4Proto]), p[min(n, len(p)):], first
	case kind == frame.EtherTypeIPv6 && len(p) >= ip6Len:
		if p[ip6Next] == protoFragment && len(p) > ip6Len {
			// As tcpdump: the protocol of a fragment is looked at, its ports are not.
			return kind, int(p[ip6Len]), nil, false
		}
		return kind, int(p[ip6Next]), p[ip6Len:], true
	}
	return 0, -1, nil, false
}

// protocol is one over IP; kind 0 is both versions.
type protocol struct {
	proto int
	kind  uint16
	tags  int
}

func (n protocol) match(v *view) bool {
	kind, proto, _, _ := v.transport(n.tags)
	return proto == n.proto && (n.kind == 0 || kind == n.kind)
}

// The protocols that have ports (IANA).
const (
	protoTCP  = 6
	protoUDP  = 17
	protoSCTP = 132
)

// ports is a range of ports; proto 0 is all that have some.
type ports struct {
	low, high uint16
	side      sides
	proto     int
	tags      int
}

func (n ports) match(v *view) bool {
	_, proto, rest, ok := v.transport(n.tags)
	if !ok || len(rest) < 4 {
		return false
	}
	switch {
	case n.proto != 0 && proto != n.proto:
		return false
	case proto != protoTCP && proto != protoUDP && proto != protoSCTP:
		return false
	}
	src, dst := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	return n.side.of(n.low <= src && src <= n.high, n.low <= dst && dst <= n.high)
}
