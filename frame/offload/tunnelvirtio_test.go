package offload

import (
	"bytes"
	"encoding/binary"
	"testing"

	"weft/frame"
)

// TestTunnelVirtio: the offsets of a superframe are those of the outer packet,
// the rest is what a TAP would be told without a tunnel.
func TestTunnelVirtio(t *testing.T) {
	tunnelled := func(h []byte, udp, innerIP uint16) []byte {
		h = append(h, make([]byte, 10)...)
		h = binary.LittleEndian.AppendUint16(h, udp)
		return binary.LittleEndian.AppendUint16(h, innerIP)
	}
	for _, c := range []struct {
		name       string
		o          frame.Offload
		outer, udp int
		v6         bool
		want       []byte
	}{
		{
			"TCPv4 over IPv4",
			frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: frame.GSOTCPv4, HdrLen: 66, GSOSize: 1448},
			50, 34, false, tunnelled(virtio(1|8, 1|0x20, 116, 1448, 84, 16), 34, 64),
		},
		{
			"TCPv6 with ECN over IPv6",
			frame.Offload{NeedsCsum: true, CsumStart: 54, CsumOffset: 16, GSO: frame.GSOTCPv6, HdrLen: 86, GSOSize: 1408, ECN: true},
			70, 54, true, tunnelled(virtio(1|8, 4|0x80|0x40, 156, 1408, 124, 16), 54, 84),
		},
		{
			"UDP over IPv4",
			frame.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 6, GSO: frame.GSOUDP, HdrLen: 42, GSOSize: 1000},
			50, 34, false, tunnelled(virtio(1|8, 5|0x20, 92, 1000, 84, 6), 34, 64),
		},
	} {
		b := bufOf(make([]byte, 4000))
		b.Offload = c.o
		got := bytes.Repeat([]byte{0xee}, TunnelVirtioLen+1)
		EncodeTunnelVirtio(got, b, c.outer, c.udp, c.v6)
		if want := append(c.want, 0xee); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", c.name, got, want)
		}
	}
}
