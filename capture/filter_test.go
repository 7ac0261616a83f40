package capture

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// zoo is one frame of each kind that the filters tell apart.
func zoo(tb testing.TB) [][]byte {
	tb.Helper()
	var frames [][]byte
	add := func(ls ...gopacket.SerializableLayer) {
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
			tb.Fatal(err)
		}
		frames = append(frames, bytes.Clone(buf.Bytes()))
	}
	mac := func(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0x5e, 0, 0, n} }
	eth := func(kind layers.EthernetType, tags ...uint16) []gopacket.SerializableLayer {
		ls := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: mac(1), DstMAC: mac(2), EthernetType: kind}}
		for i, tag := range tags {
			if i == 0 {
				ls[0].(*layers.Ethernet).EthernetType = layers.EthernetTypeDot1Q
			} else {
				ls[i].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
			}
			ls = append(ls, &layers.Dot1Q{VLANIdentifier: tag, Type: kind})
		}
		return ls
	}
	ip4 := func(proto layers.IPProtocol, frag uint16) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 1, 0, 2}, FragOffset: frag}
	}
	ip6 := func(proto layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
	}
	tcp := &layers.TCP{SrcPort: 1234, DstPort: 80}
	udp := &layers.UDP{SrcPort: 53, DstPort: 5353}
	body := gopacket.Payload(make([]byte, 40))
	for _, tags := range [][]uint16{nil, {10}, {10, 20}} {
		four, six := eth(layers.EthernetTypeIPv4, tags...), eth(layers.EthernetTypeIPv6, tags...)
		add(append(four, ip4(layers.IPProtocolTCP, 0), tcp, body)...)
		add(append(four, ip4(layers.IPProtocolUDP, 0), udp, body)...)
		add(append(four, ip4(layers.IPProtocolUDP, 100), gopacket.Payload{0, 53, 0, 53}, body)...) // not its first fragment
		add(append(four, ip4(layers.IPProtocolICMPv4, 0), body)...)
		add(append(four, ip4(layers.IPProtocolIGMP, 0), body)...)
		add(append(four, ip4(layers.IPProtocolOSPF, 0), body)...)
		add(append(six, ip6(layers.IPProtocolTCP), tcp, body)...)
		add(append(six, ip6(layers.IPProtocolUDP), udp, body)...)
		add(append(six, ip6(layers.IPProtocolICMPv6), body)...)
		add(append(eth(layers.EthernetTypeARP, tags...), gopacket.Payload{
			0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0x5e, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 1, 0, 2,
		}, body)...)
	}
	broadcast := bytes.Clone(frames[0])
	copy(broadcast, bytes.Repeat([]byte{0xff}, 6))
	multicast := bytes.Clone(frames[1])
	copy(multicast, []byte{1, 0, 0x5e, 0, 0, 1})
	back := bytes.Clone(frames[0]) // the answer
	copy(back, mac(1))
	copy(back[6:], mac(2))
	copy(back[26:], []byte{10, 1, 0, 2, 10, 0, 0, 1})
	copy(back[34:], []byte{0, 80, 1234 >> 8, 1234 & 255})
	frames = append(frames, broadcast, multicast, back, append(bytes.Clone(frames[0]), make([]byte, 1000)...))
	return frames
}

// filters are what people type.
var filters = []string{
	"tcp", "udp", "icmp", "icmp6", "igmp", "arp", "rarp", "ip", "ip6", "sctp",
	"not tcp", "! arp and not icmp", "tcp or udp", "tcp or udp and host 10.0.0.1", "tcp and port 80 or arp", "(tcp or udp) and not port 80",
	"host 10.0.0.1", "src host 10.0.0.1", "dst host 10.0.0.1", "src 10.0.0.1", "src or dst host 10.1.0.2", "src and dst host 10.0.0.1",
	"host fd00::1", "ip6 host fd00::2", "dst fd00::2", "ip host 10.0.0.1", "arp host 10.0.0.1", "host 10.0.0.1 or 10.9.9.9",
	"net 10.0.0.0/8", "net 10.1.0.0/16", "src net 10.1", "net 10", "net fd00::/16", "dst net 10.1.0.0 mask 255.255.0.0",
	"port 80", "src port 80", "dst port 80", "tcp port 80", "udp port 80", "udp port 53", "tcp dst port 80", "port 80 or 53", "port domain",
	"portrange 50-100", "tcp portrange 1-1000", "src portrange 1000-2000", "tcp src or dst port 1234",
	"ether host 02:00:5e:00:00:01", "ether src 02:00:5e:00:00:01", "ether dst host 02:00:5e:00:00:01", "ether proto 0x806", "ether proto \\arp",
	"ip proto 89", "ip proto \\tcp", "ip6 proto 6", "proto 17", "broadcast", "multicast", "ether broadcast", "ether multicast",
	"vlan", "vlan 10", "vlan 11", "vlan 10 and tcp", "vlan and host 10.0.0.1", "vlan 10 and vlan 20 and udp", "vlan and port 80", "not vlan",
	"tcp[13] & 2 != 0", "tcp[tcpflags]&(tcp-syn|tcp-ack)!=0", "tcp[tcpflags] == tcp-syn", "not tcp[13] & 2 != 0 and tcp", "tcp[0:2]=1234", "tcp[2:2] > 79 and tcp[2:2]<=80",
	"udp[0:2] == 53", "icmp[icmptype] = icmp-echo", "icmp[0]=0 and icmp", "icmp6[icmp6type] == 0", "icmp6[icmp6type] = icmp6-neighborsolicit",
	"ip[8] = 64", "ip[0] & 0xf != 5", "ip6[6] = 17", "arp[6:2] = 1", "ether[0] & 1 = 1", "ether[12:2] = 0x800", "ip[12:4] = 0x0a000001", "vlan and tcp[2:2] = 80",
	"len > 100", "len<=100", "len = 74 or len = 78",
	"less 100", "greater 100", "tcp && !(port 80) || icmp", "host 10.0.0.1 and (port 80 or port 53)",
}

// TestAgainstTcpdump compares with the syntax's own program.
func TestAgainstTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed: apt-get install tcpdump")
	}
	frames := zoo(t)
	path := filepath.Join(t.TempDir(), "zoo.pcap")
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(f), Length: len(f)}, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range filters {
		filter, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		cmd := exec.Command(tcpdump, "-r", path, "-w", "-", text)
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("tcpdump %q: %v %s", text, err, complaints.String())
			continue
		}
		r, err := pcapgo.NewReader(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		next, _, _ := r.ReadPacketData()
		for i, f := range frames {
			want := next != nil && bytes.Equal(next, f)
			if want {
				next, _, _ = r.ReadPacketData()
			}
			if got := filter.Match(f, len(f)); got != want {
				t.Errorf("%q on frame %d: %v, tcpdump says %v", text, i, got, want)
			}
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for text, words := range map[string]string{
		"tcp and":                      "ends too early",
		"(tcp":                         `a ")" is missing`,
		"tcp)":                         `")" is not understood here`,
		"host web1":                    `"web1" is no IP address (names are not looked up)`,
		"tcp[13] & 2":                  "ends too early",
		"tcp[13] + 2 = 0":              `"+" is not understood here`,
		"tcp[13":                       `a "]" is missing`,
		"tcp[a] = 1":                   `"a" is not understood here`,
		"tcp[0:3] = 1":                 `"3" is no size (want 1, 2 or 4 bytes)`,
		"host[0] = 1":                  `"[" is no IP address`,
		"len > x":                      `"x" is not understood here`,
		"tcp[13] & (tcp-syn":           "ends too early",
		"tcp[13] & 0x1ffffffff = 1":    `"0x1ffffffff" is not understood here`,
		"stp":                          `"stp" is not understood here`,
		"port 70000":                   `"70000" is no port`,
		"port":                         "ends too early",
		"net 10.0.0.1/8":               "(want 10.0.0.0/8)",
		"vlan 5000":                    `"5000" is no number up to 4095`,
		"ether host 10.0.0.1":          "is no hardware address",
		"icmp port 80":                 "icmp has no ports",
		"ip port 80":                   "ip has no ports",
		"ip host fd00::1":              "ip has no address fd00::1",
		"less":                         "ends too early",
		"less x":                       `"x" is no number`,
		"and":                          `"and" is not understood here`,
		strings.Repeat("tcp or ", 600): "longer than",
	} {
		_, err := Parse(text)
		if !errors.Is(err, ErrFilter) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
			t.Errorf("%.40q: %v, want ...%s", text, err, words)
		}
	}
	f, err := Parse("  ")
	if err != nil || !f.Match(nil, 0) {
		t.Errorf("no filter does not want everything: %v", err)
	}
}

// FuzzFilter: neither an expression nor a frame makes it panic.
func FuzzFilter(f *testing.F) {
	frames := zoo(f)
	for i, text := range filters {
		f.Add(text, frames[i%len(frames)])
	}
	f.Add("host 1.2.3.4/5 mask", []byte{1})
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		filter, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrFilter) {
				t.Fatal(err)
			}
			return
		}
		for n := range min(len(data), 80) {
			filter.Match(data[:n], len(data))
		}
	})
}
