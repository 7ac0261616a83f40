package vswitch

import (
	"encoding/binary"
	"slices"

	"weft/frame"
)

// VLANSet is a set of VLAN ids.
type VLANSet [4096 / 64]uint64

// NewVLANSet gives the set of ids.
func NewVLANSet(ids []frame.VLAN) *VLANSet {
	s := new(VLANSet)
	for _, v := range ids {
		s[v>>6&63] |= 1 << (v & 63)
	}
	return s
}

// Has reports whether v is in the set.
func (s *VLANSet) Has(v frame.VLAN) bool { return s[v>>6&63]&(1<<(v&63)) != 0 }

// VLANPolicy is which VLANs a port carries and how they look on it
// (IEEE 802.1Q-2018 section 6.9). The zero value is transparent: every frame,
// tagged or not, comes and goes as it is. Remote VTEPs are transparent: inner
// tags are carried, which RFC 7348 section 6.1 leaves to configuration.
type VLANPolicy struct {
	// Access, when not 0, makes an access port: its frames have no tag and
	// belong to this VLAN; what comes in tagged is dropped.
	Access frame.VLAN
	// Trunk, when not nil, makes a trunk of these VLANs, tagged.
	Trunk *VLANSet
	// Native, on a trunk, is the VLAN of frames without a tag. When 0 they are
	// dropped.
	Native frame.VLAN
}

// admit gives the VLAN of a frame that comes in, false when it is filtered.
func (p *VLANPolicy) admit(tag frame.VLAN) (frame.VLAN, bool) {
	switch {
	case p.Access != 0:
		return p.Access, tag == frame.Untagged
	case p.Trunk == nil:
		return tag, true
	case tag == frame.Untagged:
		return p.Native, p.Native != 0
	}
	return tag, p.Trunk.Has(tag)
}

// carries reports whether frames of the VLAN leave by the port.
func (p *VLANPolicy) carries(v frame.VLAN) bool {
	switch {
	case p.Access != 0:
		return v == p.Access
	case p.Trunk == nil:
		return true
	}
	return v != frame.Untagged && (v == p.Native || p.Trunk.Has(v))
}

// tags reports whether frames of the VLAN leave with a tag.
func (p *VLANPolicy) tags(v frame.VLAN) bool {
	return v != frame.Untagged && v != p.Access && v != p.Native
}

// maxHeaders is how much of a frame a retagged copy repeats: two tags, an IPv6
// header with extension headers and a TCP header with options fit well.
const maxHeaders = 256

// retagged is a frame with another tag: headers in memory of its own, payload
// borrowed from the frame it was made of.
type retagged struct {
	buf frame.Buf
	mem [frame.Headroom + frame.TagLen + maxHeaders]byte
	ok  bool
}

// make fills r with b tagged as v, or without a tag when tag is false. It
// reports false when the headers are longer than a copy holds.
func (r *retagged) make(b *frame.Buf, v frame.VLAN, tag bool) bool {
	head := b.Head()
	if int(b.Offload.HdrLen) > maxHeaders || int(b.Offload.CsumStart)+int(b.Offload.CsumOffset)+2 > maxHeaders {
		return false
	}
	eth := frame.Ethernet(head)
	had := eth.Tagged()
	rest := 12 // behind the addresses
	tci := uint16(v)
	if had {
		rest += frame.TagLen
		tci |= eth.TCI() & 0xf000 // keep priority and drop eligibility
	}
	end := min(len(head), maxHeaders)

	mem := append(r.mem[:frame.Headroom], head[:12]...)
	if tag {
		mem = binary.BigEndian.AppendUint16(mem, frame.EtherTypeVLAN)
		mem = binary.BigEndian.AppendUint16(mem, tci)
	}
	mem = append(mem, head[rest:end]...)
	r.buf.Set(mem, frame.Headroom)
	if end < len(head) {
		r.buf.Frags = append(r.buf.Frags, head[end:])
	}
	r.buf.Frags = append(r.buf.Frags, b.Frags...)
	r.buf.VNI, r.buf.Ingress = b.VNI, b.Ingress
	r.buf.Offload = b.Offload
	shift := 0
	if tag {
		shift += frame.TagLen
	}
	if had {
		shift -= frame.TagLen
	}
	o := &r.buf.Offload
	if o.NeedsCsum {
		o.CsumStart = uint16(int(o.CsumStart) + shift)
	}
	if o.GSO != frame.GSONone {
		o.HdrLen = uint16(int(o.HdrLen) + shift)
	}
	return true
}

// equal reports whether two policies are the same.
func (p VLANPolicy) equal(o VLANPolicy) bool {
	if p.Access != o.Access || p.Native != o.Native || (p.Trunk == nil) != (o.Trunk == nil) {
		return false
	}
	return p.Trunk == nil || slices.Equal(p.Trunk[:], o.Trunk[:])
}
