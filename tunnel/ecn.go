package tunnel

import (
	"encoding/binary"

	"weft/frame"
)

// The ECN field is the low two bits of the IPv4 TOS and the IPv6 traffic class
// (RFC 3168 section 5).
const (
	ecnMask = 3
	notECT  = 0
	ect1    = 1
	ect0    = 2
	ce      = 3
)

// innerTOS gives the TOS or traffic class of the IP packet in a frame, 0 where
// it carries none. On encapsulation it becomes the outer one: the ECN field as
// RFC 6040 section 4.1 (normal mode) wants, the DSCP so that the underlay can
// prefer what the overlay prefers (RFC 2983 section 4.1, uniform model).
func innerTOS(head []byte) uint8 {
	eth := frame.Ethernet(head)
	if !eth.Valid() {
		return 0
	}
	l3 := eth.HeaderLen()
	if len(head) < l3+2 {
		return 0
	}
	switch eth.EtherType() {
	case frame.EtherTypeIPv4:
		return head[l3+1]
	case frame.EtherTypeIPv6:
		return head[l3]<<4 | head[l3+1]>>4
	}
	return 0
}

// decapsulateECN carries congestion that the underlay marked into the inner
// header, as the table of RFC 6040 section 4.2 says, and reports false where
// the frame is to be dropped:
//
//	inner \ outer | Not-ECT  ECT(0)   ECT(1)   CE
//	Not-ECT       | Not-ECT  Not-ECT  Not-ECT  drop
//	ECT(0)        | ECT(0)   ECT(0)   ECT(1)   CE
//	ECT(1)        | ECT(1)   ECT(1)   ECT(1)   CE
//	CE            | CE       CE       CE       CE
//
// The DSCP of the inner header stays. Frames that carry no IP are not touched:
// they have no field to lose.
func decapsulateECN(head []byte, outer uint8) bool {
	outer &= ecnMask
	if outer == notECT || outer == ect0 {
		return true
	}
	eth := frame.Ethernet(head)
	if !eth.Valid() {
		return true
	}
	l3 := eth.HeaderLen()
	switch eth.EtherType() {
	case frame.EtherTypeIPv4:
		if len(head) < l3+20 {
			return true
		}
		return setECNv4(head[l3:], outer)
	case frame.EtherTypeIPv6:
		if len(head) < l3+40 {
			return true
		}
		return setECNv6(head[l3:], outer)
	}
	return true
}

// combineECN is the table for an outer ECT(1) or CE.
func combineECN(inner, outer uint8) (result uint8, ok bool) {
	switch inner {
	case notECT:
		return notECT, outer != ce
	case ce:
		return ce, true
	}
	return outer, true
}

func setECNv4(ip []byte, outer uint8) bool {
	inner := ip[1] & ecnMask
	ecn, ok := combineECN(inner, outer)
	if !ok || ecn == inner {
		return ok
	}
	before := binary.BigEndian.Uint16(ip)
	ip[1] = ip[1]&^ecnMask | ecn
	after := binary.BigEndian.Uint16(ip)
	// Incremental update, RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
	sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + uint32(^before) + uint32(after)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	return true
}

func setECNv6(ip []byte, outer uint8) bool {
	inner := ip[1] >> 4 & ecnMask
	ecn, ok := combineECN(inner, outer)
	if ok {
		ip[1] = ip[1]&^(ecnMask<<4) | ecn<<4
	}
	return ok
}
