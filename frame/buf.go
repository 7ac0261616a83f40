package frame

const (
	// Headroom is how many bytes every Rx leaves writable before a frame: the
	// VXLAN header (8 bytes), the only thing that is ever put in front of one.
	// The kernel adds the outer UDP, IP and Ethernet headers.
	Headroom = 8

	// MaxLen is the longest frame or superframe in bytes: an IP packet of
	// 65,535 bytes, an Ethernet header and two tags.
	MaxLen = 65535 + EthernetLen + 2*TagLen

	// BatchSize is how many frames are switched in one go. Past about this
	// number the passes no longer find the headers in the L1 cache.
	BatchSize = 64
)

// GSO says how a superframe is to be cut.
type GSO uint8

// The kinds of superframe.
const (
	GSONone  GSO = iota // an ordinary frame
	GSOTCPv4            // TCP over IPv4
	GSOTCPv6            // TCP over IPv6
	GSOUDP              // UDP over IPv4 or IPv6: each segment a datagram of its own
)

// Offload is what the kernel left undone in a frame, as virtio_net_hdr states
// it (virtio 1.2 section 5.1.6). Offsets are in bytes from the destination
// address. The zero value is a finished frame.
type Offload struct {
	// NeedsCsum: the checksum field at CsumStart+CsumOffset holds only the
	// pseudo-header's sum, and the one's complement sum from CsumStart to the
	// end of the frame is to be put there.
	NeedsCsum             bool
	CsumStart, CsumOffset uint16

	// GSO, when not GSONone, makes the frame a superframe: its payload behind
	// HdrLen is cut into pieces of GSOSize bytes, each behind a copy of the
	// headers. A superframe always has NeedsCsum.
	GSO GSO
	// ECN: the first segment alone carries TCP's CWR flag.
	ECN bool
	// Guessed: the sender's segment size is unknown and any GSOSize will do.
	Guessed bool
	// HdrLen is the length of all headers up to the payload of TCP or UDP.
	HdrLen uint16
	// GSOSize is the payload of a segment in bytes.
	GSOSize uint16
}

// Buf is one frame, or superframe, with what is known of it.
//
//	mem:   | headroom | headers ... payload |   Frags: | payload | payload | ...
//	                  ^ the frame starts here
//
// The headers up to and including TCP's or UDP's are always in the first part.
type Buf struct {
	mem []byte
	off int

	// Frags continue the frame behind the first part. They appear where
	// segments from a tunnel were coalesced without copying.
	Frags [][]byte

	Offload Offload

	// VNI is the network of a frame that came from a tunnel or goes to one.
	VNI VNI
	// Ingress is the port, or the remote VTEP, the frame came from.
	Ingress PortID
}

// Set makes the Buf the finished frame mem[off:] without Frags. off is at
// least [Headroom] where the Buf may reach a tunnel. mem is borrowed.
func (b *Buf) Set(mem []byte, off int) {
	b.mem, b.off = mem, off
	b.Frags = b.Frags[:0]
	b.Offload = Offload{}
}

// Head is the first part of the frame, from the destination address on; the
// whole frame when there are no Frags. Borrowed as the Buf is.
func (b *Buf) Head() []byte { return b.mem[b.off:] }

// Prepended is Head with the n bytes of headroom before it.
func (b *Buf) Prepended(n int) []byte { return b.mem[b.off-n:] }

// Len is the length of the frame in bytes, Frags included.
func (b *Buf) Len() int {
	n := len(b.mem) - b.off
	for _, f := range b.Frags {
		n += len(f)
	}
	return n
}

// Wire is how many frames, of how many bytes together, b is on a wire.
func (b *Buf) Wire() (frames, bytes uint64) {
	n := b.Len()
	o := &b.Offload
	if o.GSO == GSONone || o.GSOSize == 0 || n <= int(o.HdrLen) {
		return 1, uint64(n)
	}
	payload := n - int(o.HdrLen)
	segs := (payload + int(o.GSOSize) - 1) / int(o.GSOSize)
	return uint64(segs), uint64(payload + segs*int(o.HdrLen))
}

// MaxWireLen is the length of the longest frame that b is on a wire.
func (b *Buf) MaxWireLen() int {
	n := b.Len()
	if o := &b.Offload; o.GSO != GSONone && o.GSOSize != 0 {
		return min(n, int(o.HdrLen)+int(o.GSOSize))
	}
	return n
}

// Flat gives the whole frame in one piece: Head when there are no Frags, else
// a copy appended to dst[:0].
func (b *Buf) Flat(dst []byte) []byte {
	if len(b.Frags) == 0 {
		return b.Head()
	}
	dst = append(dst[:0], b.Head()...)
	for _, f := range b.Frags {
		dst = append(dst, f...)
	}
	return dst
}

// Clone copies the frame into memory of its own, with headroom.
func (b *Buf) Clone() *Buf {
	c := *b
	c.mem = make([]byte, Headroom, Headroom+b.Len())
	c.mem = append(c.mem, b.Head()...)
	for _, f := range b.Frags {
		c.mem = append(c.mem, f...)
	}
	c.off, c.Frags = Headroom, nil
	return &c
}

// Batch is the frames that one read gave, at most [BatchSize].
type Batch struct {
	bufs [BatchSize]Buf
	n    int
}

// Reset empties the batch.
func (b *Batch) Reset() { b.n = 0 }

// Len is the number of frames.
func (b *Batch) Len() int { return b.n }

// Full reports whether [Batch.Next] would give nil.
func (b *Batch) Full() bool { return b.n == BatchSize }

// Next adds a frame and gives its Buf, to be Set; nil when the batch is full.
// VNI and Ingress hold what they held before.
func (b *Batch) Next() *Buf {
	if b.n == BatchSize {
		return nil
	}
	b.n++
	return &b.bufs[b.n-1]
}

// Bufs are the frames. The slice is valid until the next Reset.
func (b *Batch) Bufs() []Buf { return b.bufs[:b.n] }
