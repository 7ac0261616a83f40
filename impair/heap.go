package impair

import (
	"sync"

	"weft/frame"
)

// held is one frame on its way, in memory of its own.
type held struct {
	mem []byte
	buf frame.Buf
}

// The memory of a held frame comes in sizes: ordinary frames, jumbo frames,
// superframes. A pool keeps what is not in use for every link of the process
// and gives it back to the runtime when it is idle.
var (
	heldSizes = [...]int{2 << 10, 16 << 10, frame.Headroom + frame.MaxLen}
	heldPools [len(heldSizes)]sync.Pool
)

// hold copies b.
func hold(b *frame.Buf) *held {
	n := frame.Headroom + b.Len()
	class := 0
	for class < len(heldSizes)-1 && n > heldSizes[class] {
		class++
	}
	h, _ := heldPools[class].Get().(*held)
	if h == nil {
		h = &held{mem: make([]byte, heldSizes[class])}
	}
	at := frame.Headroom + copy(h.mem[frame.Headroom:], b.Head())
	for _, f := range b.Frags {
		at += copy(h.mem[at:], f)
	}
	h.buf.Set(h.mem[:at], frame.Headroom)
	h.buf.Offload, h.buf.VNI, h.buf.Ingress = b.Offload, b.VNI, b.Ingress
	return h
}

// release takes the memory back. The frame is used no more.
func (h *held) release() {
	for class, size := range heldSizes {
		if len(h.mem) == size {
			heldPools[class].Put(h)
		}
	}
}

// item is a held frame in the queue. Times are in nanoseconds of the line's
// clock.
type item struct {
	due int64  // when it arrives
	out int64  // when its last bit has passed the rate
	seq uint64 // in the order of sending
	h   *held
}

func (a *item) before(b *item) bool {
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}

// queue is a binary heap of items by due time. container/heap would put every
// item into an interface. Frames mostly arrive in the order of sending, which
// is where adding one costs a single comparison.
type queue []item

func (q *queue) push(it item) {
	*q = append(*q, it)
	s := *q
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s[i].before(&s[parent]) {
			return
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (q *queue) pop() item {
	s := *q
	first, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = item{}
	*q = s[:last]
	q.down(0)
	return first
}

func (q *queue) down(i int) {
	s := *q
	for {
		child := 2*i + 1
		if child >= len(s) {
			return
		}
		if right := child + 1; right < len(s) && s[right].before(&s[child]) {
			child = right
		}
		if !s[child].before(&s[i]) {
			return
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
}

// times is a ring of ascending times, a queue that forgets from the front.
type times struct {
	ring     []int64
	first, n int
}

func (t *times) push(v int64) {
	if t.n == len(t.ring) {
		grown := make([]int64, max(64, 2*len(t.ring)))
		for i := range t.n {
			grown[i] = t.ring[(t.first+i)%len(t.ring)]
		}
		t.ring, t.first = grown, 0
	}
	t.ring[(t.first+t.n)%len(t.ring)] = v
	t.n++
}

// forget removes what is not after now and gives how many are left.
func (t *times) forget(now int64) int {
	for t.n > 0 && t.ring[t.first] <= now {
		t.first = (t.first + 1) % len(t.ring)
		t.n--
	}
	return t.n
}

func (t *times) reset() { t.first, t.n = 0, 0 }
