package capture

import (
	"encoding/binary"
	"time"
)

// The file format is draft-ietf-opsawg-pcapng. Every block is
//
//	| type (4) | total length (4) | body, padded to 4 bytes | total length (4) |
//
// and every option of a body
//
//	| code (2) | length (2) | value, padded to 4 bytes |
//
// in the byte order of the section header's magic number, here little endian.
const (
	blockSection    = 0x0a0d0d0a // section 4.1
	blockInterface  = 1          // section 4.2
	blockPacket     = 6          // section 4.3
	blockStatistics = 5          // section 4.6

	linkEthernet = 1
	magic        = 0x1a2b3c4d

	optEnd       = 0
	optIfName    = 2
	optIfTSResol = 9
	optFlags     = 2 // of a packet: the direction in the two lowest bits
	optReceived  = 4 // of statistics
	optDropped   = 5

	// blockOverhead bounds what a packet takes besides its bytes.
	blockOverhead = 64
)

func u16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func u32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func u64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// begin starts a block and gives where it starts.
func begin(b []byte, kind uint32) ([]byte, int) {
	at := len(b)
	return u32(u32(b, kind), 0), at
}

// finish puts the lengths into the block that starts at at.
func finish(b []byte, at int) []byte {
	n := uint32(len(b) - at + 4)
	binary.LittleEndian.PutUint32(b[at+4:], n)
	return u32(b, n)
}

func option(b []byte, code uint16, value []byte) []byte {
	b = u16(u16(b, code), uint16(len(value)))
	return pad(append(b, value...))
}

// header is the section and its one interface.
func header(name string, snapLen int) []byte {
	b, at := begin(nil, blockSection)
	b = u16(u16(u32(b, magic), 1), 0) // version 1.0
	b = finish(u64(b, ^uint64(0)), at)

	b, at = begin(b, blockInterface)
	b = u32(u16(u16(b, linkEthernet), 0), uint32(snapLen))
	b = option(b, optIfName, []byte(name))
	b = option(b, optIfTSResol, []byte{9}) // nanoseconds
	return finish(option(b, optEnd, nil), at)
}

// stamp is a time in nanoseconds, the high half first.
func stamp(b []byte, now time.Time) []byte {
	ns := uint64(now.UnixNano())
	return u32(u32(b, uint32(ns>>32)), uint32(ns))
}

// appendPacket adds a packet of which n bytes of size are kept, and gives
// where these are to be put.
func appendPacket(b []byte, n, size int, d Direction, now time.Time) (blocks, data []byte) {
	b, at := begin(b, blockPacket)
	b = stamp(u32(b, 0), now) // of interface 0
	b = u32(u32(b, uint32(n)), uint32(size))
	from := len(b)
	b = pad(append(b, make([]byte, n)...)) // which the compiler makes without a slice
	b = u32(u16(u16(b, optFlags), 4), uint32(d))
	b = finish(option(b, optEnd, nil), at)
	return b, b[from : from+n]
}

// appendStatistics tells how many packets matched, and how many of them were
// lost.
func appendStatistics(b []byte, received, dropped uint64, now time.Time) []byte {
	b, at := begin(b, blockStatistics)
	b = stamp(u32(b, 0), now)
	b = option(b, optReceived, u64(nil, received))
	b = option(b, optDropped, u64(nil, dropped))
	return finish(option(b, optEnd, nil), at)
}
