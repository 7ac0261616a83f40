package capture

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"weft/frame"
)

// compare is "tcp[13] & 2 != 0" or "len > 100": a number out of the frame, and
// what it is compared with.
type compare struct {
	from  string // the header's word; "" is the frame's length
	tags  int
	at, n int // bytes of the header, n is 1, 2 or 4
	mask  uint32
	is    string // = != < <= > >=
	value uint32
}

func (c compare) match(v *view) bool {
	x, ok := c.number(v)
	if !ok {
		return false
	}
	x &= c.mask
	switch c.is {
	case "=":
		return x == c.value
	case "!=":
		return x != c.value
	case "<":
		return x < c.value
	case "<=":
		return x <= c.value
	case ">":
		return x > c.value
	default:
		return x >= c.value
	}
}

func (c compare) number(v *view) (uint32, bool) {
	if c.from == "" {
		return uint32(v.size), true
	}
	h, ok := v.header(c.from, c.tags)
	if !ok || len(h) < c.at+c.n {
		return 0, false
	}
	switch h = h[c.at:]; c.n {
	case 1:
		return uint32(h[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(h)), true
	default:
		return binary.BigEndian.Uint32(h), true
	}
}

// header finds the header that a word names. As in tcpdump, those over IP are
// looked for over IPv4 only, but for ICMPv6.
func (v *view) header(word string, tags int) ([]byte, bool) {
	if word == "ether" {
		return v.head, true
	}
	if want := etherTypes[word]; want != 0 {
		kind, p := v.payload(tags)
		return p, kind == want
	}
	kind, proto, rest, ok := v.transport(tags)
	want := uint16(frame.EtherTypeIPv4)
	if word == "icmp6" {
		want = frame.EtherTypeIPv6
	}
	return rest, ok && proto == protocols[word] && kind == want
}

// numbers are the words that stand for offsets and for values: where the flags
// of TCP (RFC 9293 section 3.1) and the type and code of ICMP (RFC 792, RFC 4443)
// are, and what they may be.
var numbers = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,

	"icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,

	"icmp6type": 0, "icmp6code": 1, "icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136,
}

// isValue reports whether a comparison begins here.
func (p *parser) isValue() bool {
	w := p.peek()
	known := w == "ether" || etherTypes[w] != 0 || protocols[w] != 0
	return w == "len" || known && p.at+1 < len(p.words) && p.words[p.at+1] == "["
}

// compare reads a comparison.
func (p *parser) compare() (node, error) {
	c := compare{tags: p.tags, n: 1, mask: ^uint32(0)}
	if !p.accept("len") {
		c.from = p.peek()
		p.at += 2 // and the bracket
		if err := p.place(&c); err != nil {
			return nil, err
		}
	}
	var err error
	if p.accept("&") {
		if c.mask, err = p.value(); err != nil {
			return nil, err
		}
	}
	switch c.is = p.peek(); c.is {
	case "=", "!=", "<", "<=", ">", ">=":
		p.at++
	default:
		return nil, p.unexpected()
	}
	c.value, err = p.value()
	return c, err
}

// place reads "13]" or "2:2]".
func (p *parser) place(c *compare) error {
	word := p.peek()
	offset, size, sized := strings.Cut(word, ":")
	at, err := numberOf(offset)
	if err != nil || at > frame.MaxLen {
		return p.unexpected()
	}
	c.at = int(at)
	if sized {
		if size != "1" && size != "2" && size != "4" {
			return fmt.Errorf("%s is no size (want 1, 2 or 4 bytes)", short(size))
		}
		c.n = int(size[0] - '0')
	}
	p.at++
	if !p.accept("]") {
		return fmt.Errorf(`a "]" is missing`)
	}
	return nil
}

// value reads a number, a word for one, or several in parentheses with "|"
// between them.
func (p *parser) value() (uint32, error) {
	if !p.accept("(") {
		n, err := numberOf(p.peek())
		if err != nil {
			return 0, p.unexpected()
		}
		p.at++
		return n, nil
	}
	all := uint32(0)
	for {
		n, err := p.value()
		all |= n
		switch {
		case err != nil:
			return 0, err
		case p.accept(")"):
			return all, nil
		case !p.accept("|"):
			return 0, p.unexpected()
		}
	}
}

func numberOf(word string) (uint32, error) {
	if n, ok := numbers[word]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(word, 0, 32)
	return uint32(n), err
}
