package fib

import (
	"math"
	"time"

	"weft/frame"
)

// Key is what an entry is found by: a MAC address in a VLAN.
//
//	63      60 59            48 47                                         0
//	+---------+----------------+-------------------------------------------+
//	|    0    |  VLAN id (12)  |  MAC (48), first octet highest            |
//	+---------+----------------+-------------------------------------------+
//
// Keys sort by VLAN, then by MAC.
type Key uint64

const (
	vlanShift = 48
	vlanMask  = 1<<12 - 1
)

// MakeKey gives the key of m in v. Only the 12 bits of a VLAN id count.
func MakeKey(v frame.VLAN, m frame.MAC) Key {
	return Key(uint64(v&vlanMask)<<vlanShift | m.Uint64())
}

// MAC is the address in the key.
func (k Key) MAC() frame.MAC { return frame.MACFromUint64(uint64(k)) }

// VLAN is the VLAN id in the key.
func (k Key) VLAN() frame.VLAN { return frame.VLAN(k >> vlanShift & vlanMask) }

// Tick is coarse time: a count of [TickLength] that the switch advances. It
// comes round after 13 years; [MaxAge] and [Table.Sweep] keep every entry well
// inside that circle.
type Tick uint32

// TickLength is the length of a [Tick]. It bounds how often a talking station
// makes the table write (ten times a second) and how far its age may be off;
// ages are configured in seconds, so a tenth of one is fine enough.
const TickLength = 100 * time.Millisecond

const (
	// skew is how far one caller's clock may be behind another's (109
	// minutes) and the difference still be taken for what it is: the entry was
	// refreshed by a caller slightly ahead, and has age 0.
	skew = 1 << 16

	// MaxAge is the longest age in ticks that a table keeps: 1,000,000 seconds,
	// the upper end of the range in IEEE 802.1Q-2018 table 8-6.
	MaxAge Tick = 10_000_000
)

// since is the time from t to now in ticks, 0 when t is slightly later.
func since(now, t Tick) Tick {
	d := now - t
	if d > math.MaxUint32-skew {
		return 0
	}
	return d
}
