package frame

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func build(tb testing.TB, ls ...gopacket.SerializableLayer) []byte {
	tb.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, ls...); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func TestEthernet(t *testing.T) {
	dst, src := MAC{2, 0, 0, 0, 0, 9}, MAC{2, 0, 0, 0, 0, 1}
	eth := func(et layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{DstMAC: net.HardwareAddr(dst[:]), SrcMAC: net.HardwareAddr(src[:]), EthernetType: et}
	}
	tag := func(id uint16, et layers.EthernetType) *layers.Dot1Q {
		return &layers.Dot1Q{Priority: 5, DropEligible: true, VLANIdentifier: id, Type: et}
	}
	body := gopacket.Payload("payload")
	for _, c := range []struct {
		name      string
		frame     []byte
		tagged    bool
		vlan      VLAN
		headerLen int
		etherType uint16
	}{
		{"plain", build(t, eth(EtherTypeIPv4), body), false, Untagged, 14, EtherTypeIPv4},
		{"tagged", build(t, eth(EtherTypeVLAN), tag(100, EtherTypeIPv6), body), true, 100, 18, EtherTypeIPv6},
		{"highest id", build(t, eth(EtherTypeVLAN), tag(4095, EtherTypeARP), body), true, 4095, 18, EtherTypeARP},
		{"priority tag", build(t, eth(EtherTypeVLAN), tag(0, EtherTypeARP), body), true, Untagged, 18, EtherTypeARP},
		{"service tag", build(t, eth(EtherTypeQinQ), tag(7, EtherTypeARP), body), false, Untagged, 14, EtherTypeQinQ},
		{"two tags", build(t, eth(EtherTypeVLAN), tag(7, EtherTypeVLAN), tag(8, EtherTypeARP), body), true, 7, 18, EtherTypeVLAN},
		{"length instead of type", build(t, eth(0x40), body), false, Untagged, 14, 0x40},
	} {
		e := Ethernet(c.frame)
		if !e.Valid() || e.Dst() != dst || e.Src() != src || e.Tagged() != c.tagged || e.VLAN() != c.vlan ||
			e.HeaderLen() != c.headerLen || e.EtherType() != c.etherType {
			t.Errorf("%s: valid %v, %v from %v, tagged %v, VLAN %d, header %d, EtherType %#04x", c.name,
				e.Valid(), e.Dst(), e.Src(), e.Tagged(), e.VLAN(), e.HeaderLen(), e.EtherType())
		}
		if c.tagged && e.TCI() != 5<<13|1<<12|uint16(e[14]&0x0f)<<8|uint16(e[15]) {
			t.Errorf("%s: TCI %#04x", c.name, e.TCI())
		}
		for n := range len(c.frame) {
			if got, want := e[:n].Valid(), n >= c.headerLen; got != want {
				t.Errorf("%s, first %d bytes: valid %v, want %v", c.name, n, got, want)
			}
		}
	}
}

func FuzzEthernet(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 13))
	f.Add(make([]byte, 14))
	tagged := append(make([]byte, 12), 0x81, 0, 0x0f, 0xff, 8, 0)
	f.Add(tagged)
	f.Add(tagged[:16])
	f.Fuzz(func(t *testing.T, b []byte) {
		e := Ethernet(b)
		if !e.Valid() {
			if len(b) >= EthernetLen+TagLen {
				t.Fatal("long enough for any header")
			}
			return
		}
		if e.VLAN() > 4095 || e.HeaderLen() > len(b) || e.Tagged() != (e.HeaderLen() == EthernetLen+TagLen) {
			t.Fatalf("VLAN %d, header of %d bytes in %d", e.VLAN(), e.HeaderLen(), len(b))
		}
		if e.Dst() != MAC(b[:6]) || e.Src() != MAC(b[6:12]) {
			t.Fatal("addresses")
		}
		e.EtherType()
		if e.Tagged() {
			e.TCI()
		}
	})
}
