package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// MAC is a 48-bit Ethernet address (EUI-48, IEEE 802-2014 section 8).
type MAC [6]byte

// ErrMAC is wrapped by every error of [ParseMAC].
var ErrMAC = errors.New("not a MAC address")

// Broadcast is ff:ff:ff:ff:ff:ff.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ParseMAC reads a 48-bit address in any of the notations that net.ParseMAC
// knows (02:00:5e:10:00:01, 02-00-5e-10-00-01, 0200.5e10.0001).
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return MAC{}, fmt.Errorf("%q is %w (want six octets such as 02:00:5e:10:00:01)", s, ErrMAC)
	}
	return MAC(hw), nil
}

// Uint64 gives the address as a number below 1<<48, first octet highest.
func (m MAC) Uint64() uint64 {
	return uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:]))
}

// MACFromUint64 is the inverse of [MAC.Uint64]; bits 48 and up are ignored.
func MACFromUint64(v uint64) MAC {
	var m MAC
	binary.BigEndian.PutUint16(m[:], uint16(v>>32))
	binary.BigEndian.PutUint32(m[2:], uint32(v))
	return m
}

// IsGroup reports whether the address is a multicast or the broadcast address
// (the I/G bit, the lowest bit of the first octet, is set).
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// IsZero reports whether the address is 00:00:00:00:00:00, which no station has.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsReserved reports whether the address is one of 01:80:c2:00:00:00 to
// 01:80:c2:00:00:0f, which a bridge consumes and does not forward
// (IEEE 802.1Q-2018 section 8.6.3).
func (m MAC) IsReserved() bool {
	return m[0] == 0x01 && m[1] == 0x80 && m[2] == 0xc2 && m[3] == 0 && m[4] == 0 && m[5]&0xf0 == 0
}

// String gives the colon notation in lower case.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText makes a MAC a string in JSON and YAML.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is [ParseMAC].
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err != nil {
		return err
	}
	*m = v
	return nil
}
