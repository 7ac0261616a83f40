package frame

import "fmt"

// DropReason says why a frame was not delivered. The list is closed: every
// frame that weft does not deliver is counted under exactly one of these.
type DropReason uint8

// The reasons, in the order in which a frame meets them.
const (
	// DropMalformed: too short for an Ethernet header, or offload metadata
	// that contradicts the bytes.
	DropMalformed DropReason = iota
	// DropBadVXLANHeader: the datagram is shorter than a VXLAN header and an
	// Ethernet header, or its I flag is not set (RFC 7348 section 5).
	DropBadVXLANHeader
	// DropReservedBits: reserved VXLAN bits are set and the VTEP is strict.
	DropReservedBits
	// DropUnknownVTEP: the outer source is no peer, or no peer of this network.
	DropUnknownVTEP
	// DropUnknownVNI: no network has this VNI.
	DropUnknownVNI
	// DropECNNotCapable: congestion was experienced on the underlay by a
	// packet whose inner header is Not-ECT (RFC 6040 section 4.2).
	DropECNNotCapable
	// DropSourceIsGroup: the source address is a group address or zero.
	DropSourceIsGroup
	// DropReservedAddress: the destination is one that bridges consume.
	DropReservedAddress
	// DropVLANFiltered: the port does not carry the frame's VLAN.
	DropVLANFiltered
	// DropStaticViolation: the source address is static elsewhere.
	DropStaticViolation
	// DropFDBLimit: the source could not be learned because the table is full
	// of entries that must stay, and the frame was not delivered for it.
	DropFDBLimit
	// DropSamePort: the destination is behind the port the frame came from.
	DropSamePort
	// DropSplitHorizon: from a tunnel to a tunnel.
	DropSplitHorizon
	// DropNoDestination: there is nobody to flood to.
	DropNoDestination
	// DropPortDown: the egress exists but cannot take frames at present.
	DropPortDown
	// DropPeerUnreachable: the underlay has no way to the remote VTEP.
	DropPeerUnreachable
	// DropTooBig: larger than the egress's MTU.
	DropTooBig
	// DropQueueFull: the egress's queue or socket buffer had no room.
	DropQueueFull
	// DropLinkLoss: the conditions of the port's link lost it by chance.
	DropLinkLoss
	// DropLinkQueueFull: too many frames wait for the rate of the port's link.
	DropLinkQueueFull
	// DropLinkDown: the port's link was set down.
	DropLinkDown

	// NumDropReasons is the number of reasons, for arrays indexed by reason.
	NumDropReasons
)

var dropNames = [NumDropReasons]string{
	DropMalformed:       "malformed",
	DropBadVXLANHeader:  "bad_vxlan_header",
	DropReservedBits:    "reserved_bits",
	DropUnknownVTEP:     "unknown_vtep",
	DropUnknownVNI:      "unknown_vni",
	DropECNNotCapable:   "ecn_not_capable",
	DropSourceIsGroup:   "source_is_group",
	DropReservedAddress: "reserved_address",
	DropVLANFiltered:    "vlan_filtered",
	DropStaticViolation: "static_violation",
	DropFDBLimit:        "fdb_limit",
	DropSamePort:        "same_port",
	DropSplitHorizon:    "split_horizon",
	DropNoDestination:   "no_destination",
	DropPortDown:        "port_down",
	DropPeerUnreachable: "peer_unreachable",
	DropTooBig:          "too_big",
	DropQueueFull:       "queue_full",
	DropLinkLoss:        "link_loss",
	DropLinkQueueFull:   "link_queue_full",
	DropLinkDown:        "link_down",
}

// String gives the lower_snake word that users see.
func (r DropReason) String() string {
	if r >= NumDropReasons {
		return fmt.Sprintf("drop_%d", uint8(r))
	}
	return dropNames[r]
}
