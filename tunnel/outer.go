package tunnel

import (
	"encoding/binary"
	"net/netip"

	"weft/frame"
	"weft/frame/offload"
)

// Lengths of outer headers in bytes (RFC 791, RFC 8200, RFC 768).
const (
	ipv4Len = 20
	ipv6Len = 40
	udpLen  = 8

	// maxOuterLen is that of all of them, Ethernet's to VXLAN's.
	maxOuterLen = frame.EthernetLen + ipv6Len + udpLen + HeaderLen

	etherTypeOffset = 12
	protoUDP        = 17
)

// outer is what the outer headers of a packet say.
type outer struct {
	from, to netip.AddrPort // of one family
	tos      uint8
	vni      frame.VNI
}

// lengths gives that of all outer headers, and what of it is before UDP's.
func (o *outer) lengths() (all, beforeUDP int) {
	beforeUDP = frame.EthernetLen + ipv6Len
	if o.to.Addr().Is4() {
		beforeUDP = frame.EthernetLen + ipv4Len
	}
	return beforeUDP + udpLen + HeaderLen, beforeUDP
}

// put writes the outer headers of an inner frame of n bytes: Ethernet's without
// addresses, the IP's with don't fragment and the TTL, and UDP's with the sum
// of the pseudo-header in place of the checksum, from which who finishes it
// goes on.
func (o *outer) put(h []byte, n int) {
	_, beforeUDP := o.lengths()
	clear(h[:etherTypeOffset])
	ip, udp := h[frame.EthernetLen:beforeUDP], h[beforeUDP:]
	length := udpLen + HeaderLen + n
	var pseudo uint64
	if o.to.Addr().Is4() {
		binary.BigEndian.PutUint16(h[etherTypeOffset:], frame.EtherTypeIPv4)
		pseudo = o.putIPv4(ip, length)
	} else {
		binary.BigEndian.PutUint16(h[etherTypeOffset:], frame.EtherTypeIPv6)
		pseudo = o.putIPv6(ip, length)
	}
	binary.BigEndian.PutUint16(udp, o.from.Port())
	binary.BigEndian.PutUint16(udp[2:], o.to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	binary.BigEndian.PutUint16(udp[6:], offload.Fold(pseudo))
	Header(udp[udpLen:]).Put(o.vni)
}

// putIPv4 writes the header before length bytes of UDP and gives the sum of
// the pseudo-header.
func (o *outer) putIPv4(ip []byte, length int) uint64 {
	const dontFragment = 0x40
	clear(ip)
	ip[0], ip[1] = 4<<4|ipv4Len/4, o.tos
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Len+length))
	ip[6], ip[8], ip[9] = dontFragment, ttl, protoUDP
	src, dst := o.from.Addr().As4(), o.to.Addr().As4()
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], ^offload.Fold(offload.Sum(ip, 0)))
	return offload.PseudoSum(ip[12:16], ip[16:20], protoUDP, length)
}

// putIPv6 is putIPv4 for IPv6.
func (o *outer) putIPv6(ip []byte, length int) uint64 {
	binary.BigEndian.PutUint32(ip, 6<<28|uint32(o.tos)<<20)
	binary.BigEndian.PutUint16(ip[4:], uint16(length))
	ip[6], ip[7] = protoUDP, ttl
	src, dst := o.from.Addr().As16(), o.to.Addr().As16()
	copy(ip[8:], src[:])
	copy(ip[24:], dst[:])
	return offload.PseudoSum(ip[8:24], ip[24:40], protoUDP, length)
}
