package frame

import "encoding/binary"

// EtherTypes that weft reads (IEEE 802 numbers as IANA lists them).
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeVLAN = 0x8100 // IEEE 802.1Q customer tag
	EtherTypeQinQ = 0x88a8 // IEEE 802.1ad service tag
	EtherTypeIPv6 = 0x86dd
)

const (
	// EthernetLen is the length of an untagged Ethernet header in bytes.
	EthernetLen = 14
	// TagLen is the length of one 802.1Q tag in bytes.
	TagLen = 4
)

// Ethernet views the bytes of a frame, from the destination address on:
//
//	0                   1                   2                   3
//	+-----------------------------------+-----------------------------------+
//	| destination (6)                   | source (6)                        |
//	+---------------------+-------------+-----------------------------------+
//	| EtherType or 0x8100 | [TCI, EtherType] payload ...                    |
//	+---------------------+-------------------------------------------------+
//
// IEEE 802.3-2018 section 3.1.1; the tag is IEEE 802.1Q-2018 section 9.6. The
// accessors want [Ethernet.Valid] to have been true.
type Ethernet []byte

// Valid reports whether a whole header is there, the tag included.
func (e Ethernet) Valid() bool {
	return len(e) >= EthernetLen && (!e.Tagged() || len(e) >= EthernetLen+TagLen)
}

// Dst is the destination address.
func (e Ethernet) Dst() MAC { return MAC(e[0:6]) }

// Src is the source address.
func (e Ethernet) Src() MAC { return MAC(e[6:12]) }

// Tagged reports whether an 802.1Q customer tag follows the addresses. A
// service tag (0x88a8) is payload to weft.
func (e Ethernet) Tagged() bool { return e[12] == EtherTypeVLAN>>8 && e[13] == EtherTypeVLAN&0xff }

// TCI is the tag control information of a tagged frame: priority (3 bits),
// drop eligible (1), VLAN id (12).
func (e Ethernet) TCI() uint16 { return binary.BigEndian.Uint16(e[14:]) }

// VLAN is the id in the tag, [Untagged] without one or with id 0.
func (e Ethernet) VLAN() VLAN {
	if !e.Tagged() {
		return Untagged
	}
	return VLAN(e.TCI() & 0x0fff)
}

// HeaderLen is the length of the header in bytes, the tag included.
func (e Ethernet) HeaderLen() int {
	if e.Tagged() {
		return EthernetLen + TagLen
	}
	return EthernetLen
}

// EtherType is the type of the payload, behind the tag if there is one.
func (e Ethernet) EtherType() uint16 { return binary.BigEndian.Uint16(e[e.HeaderLen()-2:]) }
