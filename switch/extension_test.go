package vswitch_test

import (
	"testing"

	"github.com/google/gopacket/layers"

	"weft/frame"
	vswitch "weft/switch"
)

// Extension headers of 8 bytes and more. The first byte is for the header that
// follows.
var (
	hopByHop    = extension{0, []byte{0, 0, 1, 4, 0, 0, 0, 0}}
	routing     = extension{43, []byte{0, 2, 4, 0, 0, 0, 0, 0, 16: 0xfd, 23: 1}} // segment routing: a type that gopacket does not know
	destination = extension{60, []byte{0, 1, 1, 12, 15: 0}}
	auth        = extension{51, []byte{0, 4, 23: 0}} // of 24 bytes: AH counts in fours
	first       = extension{44, []byte{0, 0, 0, 1, 0, 0, 0, 7}}
	later       = extension{44, []byte{0, 0, 5, 0x91, 0, 0, 0, 7}}
	second      = extension{44, []byte{0, 0, 0, 8, 0, 0, 0, 7}} // 8 bytes in: the least there is
)

type extension struct {
	kind  byte
	bytes []byte
}

// chain is an IPv6 packet from station 1 to station 2 whose extension headers
// lead to proto.
func chain(t testing.TB, proto layers.IPProtocol, body []byte, list ...extension) []byte {
	t.Helper()
	var all []byte
	for i, e := range list {
		next := byte(proto)
		if i+1 < len(list) {
			next = list[i+1].kind
		}
		all = append(append(all, next), e.bytes[1:]...)
	}
	f := packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip6(proto))[:frame.EthernetLen+40] // unpadded
	if len(list) > 0 {
		f[frame.EthernetLen+6] = list[0].kind
	}
	f = append(append(f, all...), body...)
	length := len(f) - frame.EthernetLen - 40
	f[frame.EthernetLen+4], f[frame.EthernetLen+5] = byte(length>>8), byte(length)
	return f
}

// message is an ICMPv6 message of a kind.
func message(kind byte) []byte { return append([]byte{kind, 0, 0, 0}, filler(1500)...) }

func TestAnswersBehindExtensions(t *testing.T) {
	const icmp = layers.IPProtocolICMPv6
	echo := message(layers.ICMPv6TypeEchoRequest)
	for name, f := range map[string][]byte{
		"hop-by-hop":               chain(t, layers.IPProtocolUDP, filler(1500), hopByHop),
		"first fragment":           chain(t, layers.IPProtocolUDP, filler(1500), first),
		"all kinds":                chain(t, layers.IPProtocolTCP, filler(1500), hopByHop, destination, routing, first, auth, destination),
		"all kinds, echo":          chain(t, icmp, echo, hopByHop, destination, routing, first, auth, destination),
		"ESP, which is not opened": chain(t, layers.IPProtocolESP, filler(1500), destination),
		"no next header":           chain(t, layers.IPProtocolNoNextHeader, filler(1500), destination),
	} {
		if answer := vswitch.TooBigAnswer(f, 1400); answer == nil {
			t.Errorf("%s: no answer", name)
		} else {
			wantAnswer(t, f, answer[frame.Headroom:], 1400)
		}
	}
}

func TestNoAnswersBehindExtensions(t *testing.T) {
	const icmp, udp = layers.IPProtocolICMPv6, layers.IPProtocolUDP
	tooBig, redirect := message(layers.ICMPv6TypePacketTooBig), message(layers.ICMPv6TypeRedirect)
	for name, f := range map[string][]byte{
		"error behind hop-by-hop":          chain(t, icmp, tooBig, hopByHop),
		"error behind routing":             chain(t, icmp, tooBig, routing),
		"error behind destination options": chain(t, icmp, tooBig, destination),
		"error behind authentication":      chain(t, icmp, tooBig, auth),
		"error in a first fragment":        chain(t, icmp, tooBig, first),
		"error behind everything":          chain(t, icmp, tooBig, hopByHop, destination, routing, first, auth, destination),
		"redirect":                         chain(t, icmp, redirect),
		"redirect behind hop-by-hop":       chain(t, icmp, redirect, hopByHop),
		"later fragment":                   chain(t, udp, filler(1500), later),
		"second fragment, 8 bytes in":      chain(t, udp, filler(1500), second),
		"later fragment behind others":     chain(t, udp, filler(1500), hopByHop, routing, later),
		"chain without an end": chain(t, udp, filler(1500), destination, destination, destination, destination,
			destination, destination, destination, destination, destination),
	} {
		if vswitch.TooBigAnswer(f, 1400) != nil {
			t.Errorf("%s: an answer", name)
		}
	}
}

// A chain that is cut, at whichever byte, has no upper layer to judge by.
func TestNoAnswersToACutChain(t *testing.T) {
	whole := []extension{hopByHop, destination, routing, first, auth, destination}
	f := chain(t, layers.IPProtocolICMPv6, message(layers.ICMPv6TypeEchoRequest), whole...)
	end := frame.EthernetLen + 40
	for _, e := range whole {
		end += len(e.bytes)
	}
	for n := range end + 1 {
		if vswitch.TooBigAnswer(f[:n], 1400) != nil {
			t.Errorf("an answer to the first %d bytes of a chain that ends at %d", n, end)
		}
	}
	if vswitch.TooBigAnswer(f[:end+1], 1400) == nil {
		t.Error("no answer where the type can be read")
	}
}

// behindExtensions are seeds for the fuzzer.
func behindExtensions(t testing.TB) (list [][]byte) {
	for _, e := range []extension{hopByHop, routing, destination, auth, first, later} {
		list = append(list,
			chain(t, layers.IPProtocolICMPv6, message(layers.ICMPv6TypePacketTooBig)[:64], e),
			chain(t, layers.IPProtocolICMPv6, message(layers.ICMPv6TypeEchoRequest)[:64], e),
			chain(t, layers.IPProtocolUDP, filler(64), destination, e))
	}
	return list
}
