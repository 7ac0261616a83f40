package frame

import (
	"errors"
	"fmt"
)

// VNI is a VXLAN network identifier: 24 bits, 0 is not assigned to a network
// (RFC 7348 section 5).
type VNI uint32

// MaxVNI is the largest 24-bit VNI.
const MaxVNI VNI = 1<<24 - 1

// ErrVNI is wrapped by [VNI.Validate].
var ErrVNI = errors.New("not a VNI")

// Validate refuses 0 and what does not fit in 24 bits.
func (v VNI) Validate() error {
	if v == 0 || v > MaxVNI {
		return fmt.Errorf("%d is %w (want 1 to %d)", uint32(v), ErrVNI, uint32(MaxVNI))
	}
	return nil
}

// VLAN is a 12-bit IEEE 802.1Q VLAN id. [Untagged] stands for frames without a
// tag and for priority-tagged frames (id 0).
type VLAN uint16

const (
	// Untagged is the id of frames that belong to no VLAN.
	Untagged VLAN = 0
	// MaxVLAN is the largest id a network may use; 4095 is reserved
	// (IEEE 802.1Q-2018 table 9-2).
	MaxVLAN VLAN = 4094
)

// ErrVLAN is wrapped by [VLAN.Validate].
var ErrVLAN = errors.New("not a VLAN id")

// Validate refuses 0 and what is above [MaxVLAN].
func (v VLAN) Validate() error {
	if v == 0 || v > MaxVLAN {
		return fmt.Errorf("%d is %w (want 1 to %d)", uint16(v), ErrVLAN, uint16(MaxVLAN))
	}
	return nil
}

// PortID names an attachment of a switch: a local port or a remote VTEP. It is
// an index, dense and reused; 0 is none.
type PortID uint16

// NoPort is the PortID of nothing.
const NoPort PortID = 0
