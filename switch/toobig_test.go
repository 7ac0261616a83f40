package vswitch_test

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"weft/fib"
	"weft/frame"
	vswitch "weft/switch"
)

var (
	ip4a, ip4b = net.IP{10, 77, 0, 1}, net.IP{10, 77, 0, 2}
	ip6a, ip6b = net.ParseIP("fd77::1"), net.ParseIP("fd77::2")
)

// packet serializes layers, with lengths and checksums.
func packet(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for i, l := range list {
		var n gopacket.NetworkLayer
		if i > 0 {
			n, _ = list[i-1].(gopacket.NetworkLayer)
		}
		if n == nil {
			continue
		}
		var err error
		switch l := l.(type) {
		case *layers.UDP:
			err = l.SetNetworkLayerForChecksum(n)
		case *layers.TCP:
			err = l.SetNetworkLayerForChecksum(n)
		case *layers.ICMPv6:
			err = l.SetNetworkLayerForChecksum(n)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func etherLayer(dst, src frame.MAC, t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{DstMAC: dst[:], SrcMAC: src[:], EthernetType: t}
}

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, Flags: layers.IPv4DontFragment, SrcIP: ip4a, DstIP: ip4b}
}

func ip6(proto layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: ip6a, DstIP: ip6b}
}

func filler(n int) gopacket.Payload { return bytes.Repeat([]byte{0xa5, 7, 0}, n/3+1)[:n] }

// udp4 and udp6 give a datagram from station 1 to station 2 whose IP packet is
// n bytes.
func udp4(t testing.TB, n int) []byte {
	return packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP),
		&layers.UDP{SrcPort: 1000, DstPort: 2000}, filler(n-28))
}

func udp6(t testing.TB, n int) []byte {
	return packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip6(layers.IPProtocolUDP),
		&layers.UDP{SrcPort: 1000, DstPort: 2000}, filler(n-48))
}

// wantAnswer wants answer to tell the sender of f that only mtu bytes fit, and
// all its lengths and checksums to be what gopacket makes them.
func wantAnswer(t *testing.T, f, answer []byte, mtu int) {
	t.Helper()
	eth := frame.Ethernet(f)
	quote := f[eth.HeaderLen():]
	var link []gopacket.SerializableLayer
	head := etherLayer(eth.Src(), eth.Dst(), layers.EthernetType(eth.EtherType()))
	link = append(link, head)
	if eth.Tagged() {
		head.EthernetType = layers.EthernetTypeDot1Q
		link = append(link, &layers.Dot1Q{
			Priority: uint8(eth.TCI() >> 13), DropEligible: eth.TCI()&0x1000 != 0,
			VLANIdentifier: eth.TCI() & 0xfff, Type: layers.EthernetType(eth.EtherType()),
		})
	}
	var want []byte
	if eth.EtherType() == frame.EtherTypeIPv4 {
		quote = quote[:min(len(quote), 548)]
		ip := ip4(layers.IPProtocolICMPv4)
		ip.SrcIP, ip.DstIP, ip.Flags, ip.TOS = net.IP(quote[16:20]), net.IP(quote[12:16]), 0, 0xc0
		want = packet(t, append(link, ip, &layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded),
			Seq:      uint16(mtu), // where ICMP 3/4 has the MTU (RFC 1191 section 4)
		}, gopacket.Payload(quote))...)
	} else {
		quote = quote[:min(len(quote), 1232)]
		ip := ip6(layers.IPProtocolICMPv6)
		ip.SrcIP, ip.DstIP = net.IP(quote[24:40]), net.IP(quote[8:24])
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypePacketTooBig, 0)}
		if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		body := append([]byte{0, 0, byte(mtu >> 8), byte(mtu)}, quote...)
		want = packet(t, append(link, ip, icmp, gopacket.Payload(body))...)
	}
	if bytes.Equal(answer, want) {
		return
	}
	if d := cmp.Diff(
		gopacket.NewPacket(want, layers.LayerTypeEthernet, gopacket.Default).String(),
		gopacket.NewPacket(answer, layers.LayerTypeEthernet, gopacket.Default).String(),
	); d != "" {
		t.Errorf("the answer differs (-want +got):\n%s", d)
	}
	t.Errorf("the answer is\n%x, want\n%x", answer, want)
}

func TestTooBigIsCountedAndAnswered(t *testing.T) {
	for name, f := range map[string][]byte{
		"IPv4":          udp4(t, 1401),
		"IPv6":          udp6(t, 1401),
		"IPv4, tagged":  tagged(udp4(t, 1401), 0xa005),
		"IPv6, tagged":  tagged(udp6(t, 9000), 5),
		"IPv4, no DF":   bytes.Replace(udp4(t, 1500), []byte{0x40, 0, 64, 17}, []byte{0, 0, 64, 17}, 1),
		"IPv4, largest": udp4(t, 9000),
		"echo request": packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0)}, filler(1400)),
		"ICMPv6 echo reply": packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip6(layers.IPProtocolICMPv6),
			&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoReply, 0)}, filler(1400)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
			b := r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
			x := r.peer("x")
			vlan := frame.Ethernet(f).VLAN()
			for _, from := range []*end{a, x} {
				r.must(r.sw.AddStatic("blue", vlan, mac(2), b.id))
				before, at := r.sw.Totals(), r.sw.Stats(from.id)
				from.send(f)
				r.gained("the switch", before, r.sw.Totals(), frame.DropTooBig, 1)
				r.gained(from.name, at, r.sw.Stats(from.id), frame.DropTooBig, 1)
				got := from.take()
				if len(got) != 1 || len(b.take()) != 0 {
					t.Fatalf("%s gets %d answers, want 1 and nothing at b", from.name, len(got))
				}
				wantAnswer(t, f, got[0].Head(), 1400)
				if got[0].VNI != 42 {
					t.Errorf("the answer has VNI %d, want 42", got[0].VNI)
				}
				frames, size := got[0].Wire()
				if now := r.sw.Stats(from.id); now.TxFrames != at.TxFrames+frames || now.TxBytes != at.TxBytes+size {
					t.Errorf("%s has sent %+v, want the answer counted", from.name, now)
				}
			}
		})
	}
}

func TestWhatFitsExactlyPasses(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
	b := r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
	r.reaches(a, udp4(t, 1400), b)
	r.reaches(a, tagged(udp4(t, 1400), 5), b)
	x := r.peer("x") // of MTU 1500; its tag is payload on the underlay
	r.must(r.sw.Detach(b.id))
	b.gone = true
	r.reaches(a, udp4(t, 1500), x)
	r.reaches(a, tagged(udp4(t, 1496), 5), x)
	a.send(tagged(udp4(t, 1497), 5))
	wantAnswer(t, tagged(udp4(t, 1497), 5), a.take()[0].Head(), 1496)
}

// An access port's hosts know of no tag, so nor does the answer; but the tag
// that the frame gets takes room.
func TestAnswerLooksAsTheIngressDoes(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000, VLAN: access(5)})
	x := r.peer("x")
	f := udp4(t, 1497)
	a.send(f)
	got := a.take()
	if len(got) != 1 || len(x.take()) != 0 {
		t.Fatalf("%d answers, want 1", len(got))
	}
	wantAnswer(t, f, got[0].Head(), 1496)
	a.send(udp4(t, 1496))
	r.wantFrames(x, tagged(udp4(t, 1496), 5))
}

func TestTooBigForSeveralIsCountedOnce(t *testing.T) {
	r := newRig(t)
	a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
	wide := r.port(vswitch.PortConfig{Name: "wide", MTU: 9000})
	for name, mtu := range map[string]int{"b": 1400, "c": 1300, "d": 1450} {
		r.port(vswitch.PortConfig{Name: name, MTU: mtu})
	}
	r.peer("x")
	f := udp4(t, 2000)
	before := r.sw.Totals()
	a.send(f)
	r.gained("the switch", before, r.sw.Totals(), frame.DropTooBig, 1)
	got := a.take()
	if len(got) != 1 {
		t.Fatalf("%d answers, want 1", len(got))
	}
	wantAnswer(t, f, got[0].Head(), 1300) // what fits everywhere
	r.wantFrames(wide, f)
	if rest := r.take(); len(rest) != 0 {
		t.Errorf("%d others got the frame", len(rest))
	}
}

func TestWhatIsNotAnswered(t *testing.T) {
	v4 := func(change func(*layers.IPv4)) []byte {
		ip := ip4(layers.IPProtocolUDP)
		change(ip)
		return packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip, filler(1500))
	}
	v6 := func(change func(*layers.IPv6)) []byte {
		ip := ip6(layers.IPProtocolUDP)
		change(ip)
		return packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip, filler(1500))
	}
	icmp := func(kind uint8) []byte {
		return packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0)}, filler(1500))
	}
	broadcast := udp4(t, 1500)
	copy(broadcast, frame.Broadcast[:])
	for name, f := range map[string][]byte{
		"unreachable":         icmp(layers.ICMPv4TypeDestinationUnreachable),
		"time exceeded":       icmp(layers.ICMPv4TypeTimeExceeded),
		"broadcast frame":     broadcast,
		"later fragment":      v4(func(ip *layers.IPv4) { ip.Flags, ip.FragOffset = 0, 100 }),
		"from nobody":         v4(func(ip *layers.IPv4) { ip.SrcIP = net.IP{0, 0, 0, 0} }),
		"from a group":        v4(func(ip *layers.IPv4) { ip.SrcIP = net.IP{224, 0, 0, 1} }),
		"to a group":          v4(func(ip *layers.IPv4) { ip.DstIP = net.IP{239, 1, 2, 3} }),
		"to everybody":        v4(func(ip *layers.IPv4) { ip.DstIP = net.IP{255, 255, 255, 255} }),
		"v6 from nobody":      v6(func(ip *layers.IPv6) { ip.SrcIP = net.IPv6zero }),
		"v6 from a group":     v6(func(ip *layers.IPv6) { ip.SrcIP = net.ParseIP("ff02::1") }),
		"no IP":               append(eth(mac(2), mac(1)), filler(1500)...),
		"version is not IPv4": append(append(eth(mac(2), mac(1))[:12], 8, 0, 0x65), filler(1500)...),
		"version is not IPv6": append(append(eth(mac(2), mac(1))[:12], 0x86, 0xdd, 0x45), filler(1500)...),
		"v6 error": packet(t, etherLayer(mac(2), mac(1), layers.EthernetTypeIPv6), ip6(layers.IPProtocolICMPv6),
			&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypePacketTooBig, 0)}, filler(1500)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
			r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
			r.drops(a, f, a, frame.DropTooBig)
		})
	}
	// Headers that end where Frags begin.
	for _, f := range [][]byte{udp4(t, 1500)[:33], udp6(t, 1500)[:50], udp4(t, 1500)[:14]} {
		r := newRig(t)
		a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
		r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
		a.sendWith(frame.Offload{}, [][]byte{filler(1500)}, f)
		if got := r.take(); len(got) != 0 {
			t.Errorf("a header of %d bytes is answered", len(f))
		}
	}
}

func TestAnswersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go r.sw.Run(t.Context())
		a := r.port(vswitch.PortConfig{Name: "a", MTU: 9000})
		r.port(vswitch.PortConfig{Name: "b", MTU: 1400})
		var batch [][]byte
		for range frame.BatchSize {
			batch = append(batch, udp4(t, 1500))
		}
		seconds, answers := 5, 0
		for range seconds * int(time.Second/fib.TickLength) {
			for range 3 {
				a.send(batch...)
			}
			answers += len(a.take())
			time.Sleep(fib.TickLength)
			synctest.Wait()
		}
		if answers != 100*seconds {
			t.Errorf("%d answers in %d s, want 100 a second", answers, seconds)
		}
		want := uint64(3 * frame.BatchSize * seconds * 10)
		if got := r.sw.Stats(a.id).Drops[frame.DropTooBig]; got != want {
			t.Errorf("%d frames are counted, want %d: all of them", got, want)
		}
	})
}
