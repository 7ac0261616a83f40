package capture

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"weft/frame"
)

// ErrFilter is wrapped by every error of [Parse].
var ErrFilter = errors.New("filter")

// maxFilter bounds an expression in words, and with that how deep it nests.
const maxFilter = 1000

// Parse reads an expression in the syntax of pcap-filter(7):
//
//	[ether|ip|ip6|arp|rarp|tcp|udp|sctp] [src|dst|src or dst|src and dst] host|net|port|portrange ID
//	ether|ip|ip6 proto ID, ether|ip|ip6|arp|rarp|tcp|udp|sctp|icmp|icmp6|igmp
//	[ether] broadcast|multicast, vlan [ID], less|greater LENGTH
//	PROTOCOL[OFFSET[:SIZE]] [& MASK] =|!=|<|<=|>|>= VALUE, len =|... VALUE
//
// joined by and, or, not, &&, ||, ! and parentheses. As there, and and or bind
// alike, to the left; vlan shifts what follows it behind the tag; an ID alone
// takes the words of the one before. It does not know names of hosts, nor other
// arithmetic than that.
func Parse(text string) (Filter, error) {
	p := &parser{words: split(text)}
	if len(p.words) == 0 {
		return Filter{}, nil
	}
	if len(p.words) > maxFilter {
		return Filter{}, fmt.Errorf("%w: longer than %d words", ErrFilter, maxFilter)
	}
	root, err := p.expression()
	if err == nil && p.at < len(p.words) {
		err = p.unexpected()
	}
	if err != nil {
		return Filter{}, fmt.Errorf("%w: %w", ErrFilter, err)
	}
	return Filter{root}, nil
}

type parser struct {
	words []string
	at    int
	tags  int    // how many vlan came before
	last  phrase // what an id alone takes its words from
}

// phrase is the words before an id.
type phrase struct {
	proto string
	side  sides
	kind  string // host, net, port, portrange, proto; "" is host
}

func (p *parser) peek() string {
	if p.at < len(p.words) {
		return p.words[p.at]
	}
	return ""
}

func (p *parser) accept(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.words) || p.words[p.at+i] != w {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *parser) unexpected() error {
	if p.at >= len(p.words) {
		return errors.New("ends too early")
	}
	return fmt.Errorf("%s is not understood here (for all that tcpdump knows: weft capture PORT -w - | tcpdump -r - 'FILTER')", short(p.peek()))
}

func (p *parser) expression() (node, error) {
	left, err := p.term()
	for err == nil {
		var right node
		switch {
		case p.accept("and"):
			if right, err = p.term(); err == nil {
				left = and{left, right}
			}
		case p.accept("or"):
			if right, err = p.term(); err == nil {
				left = or{left, right}
			}
		default:
			return left, nil
		}
	}
	return nil, err
}

func (p *parser) term() (node, error) {
	switch {
	case p.accept("not"), p.accept("!"):
		inner, err := p.term()
		return not{inner}, err
	case p.accept("("):
		inner, err := p.expression()
		if err == nil && !p.accept(")") {
			err = errors.New(`a ")" is missing`)
		}
		return inner, err
	}
	return p.primitive()
}

// protocols are those over IP by their numbers (IANA); icmp is IPv4's alone.
var protocols = map[string]int{"icmp": 1, "igmp": 2, "tcp": protoTCP, "udp": protoUDP, "icmp6": 58, "sctp": protoSCTP}

// etherTypes are those of the words that name one.
var etherTypes = map[string]uint16{
	"ip": frame.EtherTypeIPv4, "ip6": frame.EtherTypeIPv6, "arp": frame.EtherTypeARP, "rarp": etherTypeRARP,
}

func (p *parser) primitive() (node, error) {
	switch {
	case p.isValue():
		return p.compare()
	case p.accept("vlan"):
		return p.vlan()
	case p.accept("less"), p.accept("greater"):
		greater := p.words[p.at-1] == "greater"
		n, err := p.number(frame.MaxLen)
		return size{n, greater}, err
	case p.accept("broadcast"), p.accept("ether", "broadcast"):
		return group{broadcast: true}, nil
	case p.accept("multicast"), p.accept("ether", "multicast"):
		return group{}, nil
	}
	phrase, named := p.phrase()
	if phrase.kind == "" && phrase.side == either && phrase.proto != "" && phrase.proto != "ether" && !p.isID() {
		return p.protocol(phrase.proto)
	}
	if !named {
		// Only an id may stand alone.
		if !p.isID() {
			return nil, p.unexpected()
		}
		phrase = p.last
	}
	p.last = phrase
	at := p.at
	n, err := p.id(phrase)
	if err != nil && !named && phrase.kind == "" {
		p.at = at
		return nil, p.unexpected() // more likely a word than an address
	}
	return n, err
}

// phrase reads the words before an id, and reports whether there were any.
func (p *parser) phrase() (ph phrase, named bool) {
	from := p.at
	if w := p.peek(); w == "ether" || etherTypes[w] != 0 || protocols[w] != 0 {
		ph.proto = w
		p.at++
	}
	switch {
	case p.accept("src", "or", "dst"), p.accept("dst", "or", "src"):
	case p.accept("src", "and", "dst"), p.accept("dst", "and", "src"):
		ph.side = both
	case p.accept("src"):
		ph.side = source
	case p.accept("dst"):
		ph.side = destination
	}
	for _, kind := range []string{"host", "net", "portrange", "port", "proto"} {
		if p.accept(kind) {
			ph.kind = kind
			break
		}
	}
	return ph, p.at > from
}

// isID reports whether the next word may be an id: it is none of the syntax's.
func (p *parser) isID() bool {
	switch w := p.peek(); w {
	case "", "and", "or", "not", "!", "(", ")", "vlan", "less", "greater", "broadcast", "multicast", "src", "dst", "ether",
		"host", "net", "port", "portrange", "proto":
		return false
	default:
		return etherTypes[w] == 0 && protocols[w] == 0
	}
}

// protocol is a protocol's word alone.
func (p *parser) protocol(word string) (node, error) {
	if kind := etherTypes[word]; kind != 0 {
		return etherType{kind, p.tags}, nil
	}
	n := protocol{proto: protocols[word], tags: p.tags}
	switch word {
	case "icmp", "igmp":
		n.kind = frame.EtherTypeIPv4
	case "icmp6":
		n.kind = frame.EtherTypeIPv6
	}
	return n, nil
}

func (p *parser) vlan() (node, error) {
	n := vlan{id: -1, tags: p.tags}
	p.tags++
	if _, err := strconv.Atoi(p.peek()); err != nil {
		return n, nil
	}
	id, err := p.number(4095)
	n.id = id
	return n, err
}

func (p *parser) number(most int) (int, error) {
	word := p.peek()
	if word == "" {
		return 0, errors.New("ends too early")
	}
	n, err := strconv.ParseUint(word, 0, 32)
	if err != nil || n > uint64(most) {
		return 0, fmt.Errorf("%s is no number up to %d", short(word), most)
	}
	p.at++
	return int(n), nil
}

// id reads what a phrase is about.
func (p *parser) id(ph phrase) (node, error) {
	p.accept("\\") // which a shell's user puts before words of the syntax
	switch ph.kind {
	case "port", "portrange":
		return p.ports(ph)
	case "proto":
		return p.proto(ph)
	}
	if ph.proto == "ether" {
		word := p.peek()
		mac, err := frame.ParseMAC(word)
		if err != nil || ph.kind == "net" {
			return nil, fmt.Errorf("%s is no hardware address (want one such as 02:00:5e:10:00:01)", short(word))
		}
		p.at++
		return etherHost{mac, ph.side}, nil
	}
	if protocols[ph.proto] != 0 {
		return nil, fmt.Errorf("%s has no addresses of its own (want ip or ip6)", ph.proto)
	}
	prefix, err := p.prefix(ph.kind == "net")
	n := network{prefix, ph.side, etherTypes[ph.proto], p.tags}
	if err == nil && n.kind != 0 && prefix.Addr().Is6() != (n.kind == frame.EtherTypeIPv6) {
		err = fmt.Errorf("%s has no address %s", ph.proto, prefix.Addr())
	}
	return n, err
}

// prefix reads an address or a subnet: 10.0.0.0/8, 10.0.0.0 mask 255.0.0.0, or
// the first numbers of one, 10.1.
func (p *parser) prefix(net bool) (netip.Prefix, error) {
	word := p.peek()
	if word == "" {
		return netip.Prefix{}, errors.New("ends too early")
	}
	p.at++
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
		bits := a.BitLen()
		if net && p.accept("mask") {
			mask, err := netip.ParseAddr(p.peek())
			if err != nil || !mask.Is4() || !a.Is4() {
				return netip.Prefix{}, fmt.Errorf("%s is no mask (want one such as 255.255.255.0)", short(p.peek()))
			}
			p.at++
			bits = leadingOnes(mask.As4())
			if bits < 0 {
				return netip.Prefix{}, fmt.Errorf("%s has bits set behind others that are not", mask)
			}
		}
		return netip.PrefixFrom(a, bits).Masked(), nil
	}
	if net {
		if prefix, err := netip.ParsePrefix(word); err == nil {
			if prefix != prefix.Masked() {
				return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length (want %s)", word, prefix.Masked())
			}
			return prefix, nil
		}
		if dots := strings.Count(word, "."); dots < 3 {
			if a, err := netip.ParseAddr(word + strings.Repeat(".0", 3-dots)); err == nil {
				return netip.PrefixFrom(a, 8*(dots+1)), nil
			}
		}
	}
	p.at--
	return netip.Prefix{}, fmt.Errorf("%s is no IP address (names are not looked up)", short(word))
}

// leadingOnes is the length of a mask, -1 where it has a gap.
func leadingOnes(mask [4]byte) int {
	n, ended := 0, false
	for _, b := range mask {
		for bit := 7; bit >= 0; bit-- {
			switch set := b>>bit&1 == 1; {
			case set && ended:
				return -1
			case set:
				n++
			default:
				ended = true
			}
		}
	}
	return n
}

func (p *parser) ports(ph phrase) (node, error) {
	n := ports{side: ph.side, tags: p.tags}
	switch ph.proto {
	case "tcp", "udp", "sctp":
		n.proto = protocols[ph.proto]
	case "":
	default:
		return nil, fmt.Errorf("%s has no ports", ph.proto)
	}
	word := p.peek()
	if word == "" {
		return nil, errors.New("ends too early")
	}
	low, high, isRange := strings.Cut(word, "-")
	if ph.kind == "port" && isRange {
		if _, err := net.LookupPort("tcp", word); err != nil {
			return nil, fmt.Errorf("%s is no port (a range is a portrange)", short(word))
		}
		low, isRange = word, false
	}
	if !isRange {
		high = low
	}
	var err error
	if n.low, err = port(low); err == nil {
		n.high, err = port(high)
	}
	p.at++
	return n, err
}

// port reads a number or a service's name.
func port(word string) (uint16, error) {
	if n, err := strconv.ParseUint(word, 0, 16); err == nil {
		return uint16(n), nil
	}
	for _, network := range []string{"tcp", "udp"} {
		if n, err := net.LookupPort(network, word); err == nil && word != "" {
			return uint16(n), nil
		}
	}
	return 0, fmt.Errorf("%s is no port", short(word))
}

// proto is "ip proto 89" and the like.
func (p *parser) proto(ph phrase) (node, error) {
	word := strings.TrimPrefix(p.peek(), "\\")
	if ph.proto == "ether" {
		if kind := etherTypes[word]; kind != 0 {
			p.at++
			return etherType{kind, p.tags}, nil
		}
		kind, err := p.number(0xffff)
		return etherType{uint16(kind), p.tags}, err
	}
	kind, known := etherTypes[ph.proto]
	if ph.proto != "" && (!known || ph.proto == "arp" || ph.proto == "rarp") {
		return nil, fmt.Errorf("%s carries no protocols by number", ph.proto)
	}
	if n := protocols[word]; n != 0 {
		p.at++
		return protocol{n, kind, p.tags}, nil
	}
	n, err := p.number(255)
	return protocol{n, kind, p.tags}, err
}
