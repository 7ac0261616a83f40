package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"weft/internal/netnstest"
)

// TestWire looks at what weft puts on the underlay.
func TestWire(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
		port uint16
	}{
		{"IPv4", plan{}, 4789},
		{"IPv6", plan{v6: true}, 4789},
		{"IPv4, other port", plan{port: 14789}, 14789},
		{"IPv6, other port", plan{v6: true, port: 14789}, 14789},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.plan.build(t, 2)
			// So that the capture sees packets as they leave a machine: cut,
			// their checksums complete.
			turnOff(t, s[1].host, "u0", ethtoolTxChecksum)
			wire := netnstest.NewCapture(t, s[2].host, "u0")

			const flows = 64
			for range flows {
				sendUDP(t, s[1].client, overlay4(2)+":9", 0, "one", "two", "three")
			}
			netnstest.TransferTCP(t, s[1].client, s[2].client, overlay4(2), 1<<20)
			netnstest.TransferTCP(t, s[1].client, s[2].client, overlay6(2), 1<<20)
			sendUDP(t, s[1].client, overlay4(2)+":9", 0, "the end")

			ports := map[string]map[uint16]bool{} // of the outer source, by inner flow
			all := map[uint16]bool{}
			for end := false; !end; {
				v := awaitVXLANTo(t, wire, c.port, func(v *vxlan) bool {
					return v.outerSrc == c.plan.underlay(1).Addr() && v.outerDst == c.plan.underlay(2).Addr()
				})
				checkOuter(t, v)
				source := uint16(v.udp.SrcPort)
				all[source] = true
				transport := v.inner.TransportLayer()
				if transport == nil {
					continue
				}
				flow := fmt.Sprint(v.inner.NetworkLayer().NetworkFlow(), transport.LayerType(), transport.TransportFlow())
				if ports[flow] == nil {
					ports[flow] = map[uint16]bool{}
				}
				ports[flow][source] = true
				end = string(transport.LayerPayload()) == "the end"
			}
			for flow, used := range ports {
				if len(used) != 1 {
					t.Errorf("flow %s left from ports %v, want one", flow, used)
				}
			}
			// Of 16 ports, 64 flows leave one out each with a chance of 1.6 %.
			if len(ports) < flows || len(all) < 8 {
				t.Errorf("%d flows left from %d ports", len(ports), len(all))
			}
		})
	}
}

// checkOuter checks what is the same for every packet that weft sends.
func checkOuter(t *testing.T, v *vxlan) {
	t.Helper()
	const lowest = 49152
	want := [8]byte{0x08, 0, 0, 0, 0, 0, vni, 0}
	udp := v.udp.Contents
	switch {
	case v.header != want:
		t.Errorf("VXLAN header is %x, want %x", v.header, want)
	case v.ttl != 64:
		t.Errorf("outer TTL is %d, want 64", v.ttl)
	case !v.dontFragment:
		t.Error("outer packet may be fragmented")
	case v.udp.SrcPort < lowest:
		t.Errorf("outer source port is %d, want %d or more", v.udp.SrcPort, lowest)
	case v.udp.Checksum == 0:
		t.Error("outer UDP checksum is zero")
	case int(v.udp.Length) != len(udp)+len(v.udp.Payload):
		t.Errorf("outer UDP length is %d in a packet with %d", v.udp.Length, len(udp)+len(v.udp.Payload))
	case udpSum(v) != 0xffff:
		t.Errorf("outer UDP checksum %#04x does not verify", v.udp.Checksum)
	case innerLengthWrong(v.inner):
		t.Errorf("inner packet's lengths contradict each other:\n%v", v.inner)
	}
}

// udpSum is the one's complement sum over pseudo-header, UDP header and
// payload, 0xffff when the checksum is right.
func udpSum(v *vxlan) uint16 {
	b := append(v.outerSrc.AsSlice(), v.outerDst.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, v.udp.Length)
	b = binary.BigEndian.AppendUint16(b, uint16(layers.IPProtocolUDP))
	b = append(append(b, v.udp.Contents...), v.udp.Payload...)
	return onesSum(b)
}

// onesSum is the Internet checksum's sum, slowly.
func onesSum(b []byte) uint16 {
	var sum uint32
	for i, x := range b {
		sum += uint32(x) << (8 * (1 - i%2))
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// innerLengthWrong reports whether an inner IPv4 packet is not as long as the
// frame that carries it: a train cut in the wrong places.
func innerLengthWrong(inner gopacket.Packet) bool {
	ip, ok := inner.NetworkLayer().(*layers.IPv4)
	return ok && int(ip.Length) != len(inner.Data())-len(inner.LinkLayer().LayerContents())
}

// TestOuterTOS: DSCP and ECN of the inner packet are the outer one's.
func TestOuterTOS(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6=%t", v6), func(t *testing.T) {
			p := plan{v6: v6}
			s := p.build(t, 2)
			wire := netnstest.NewCapture(t, s[2].host, "u0")
			for _, dst := range []string{overlay4(2), overlay6(2)} {
				s[1].ping(t, dst)
				for _, tos := range []int{0, 1, 2, 3, 0xb8, 0xba, 0x29, 0xff} {
					text := fmt.Sprintf("TOS %d to %s", tos, dst)
					sendUDP(t, s[1].client, net.JoinHostPort(dst, "9"), tos, text)
					v := awaitVXLAN(t, wire, func(v *vxlan) bool {
						udp := v.inner.TransportLayer()
						return udp != nil && string(udp.LayerPayload()) == text
					})
					if int(v.tos) != tos {
						t.Errorf("inner TOS %#02x to %s became outer %#02x", tos, dst, v.tos)
					}
				}
			}
		})
	}
}

// sendUDP sends datagrams from a port of their own, with the TOS or traffic
// class.
func sendUDP(t *testing.T, from *netnstest.Host, addr string, tos int, texts ...string) {
	t.Helper()
	c, err := from.DialUDP(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := unix.IPPROTO_IP, unix.IP_TOS
	if c.RemoteAddr().(*net.UDPAddr).IP.To4() == nil {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	var sockErr error
	err = raw.Control(func(fd uintptr) { sockErr = unix.SetsockoptInt(int(fd), level, option, tos) })
	if err := errors.Join(err, sockErr); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		// Nobody listens there: that the one before was refused is no matter.
		for end := time.Now().Add(patience); ; {
			_, err := c.Write([]byte(text))
			if err == nil {
				break
			}
			if !errors.Is(err, unix.ECONNREFUSED) || time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
}
