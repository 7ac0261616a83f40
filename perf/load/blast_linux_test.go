package load

import (
	"encoding/binary"
	"math"
	"net"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weft/internal/netnstest"
)

// modest is a rate that any machine keeps, in frames a second.
const modest = 5000

// TestBlastExact: nothing is lost, and as many are counted as were sent.
func TestBlastExact(t *testing.T) {
	_, c := bridged(t, 4)
	noLeaks(t)
	for name, b := range map[string]Blast{
		"one way":   {FrameLen: 60},
		"two ways":  {FrameLen: 60, Bidirectional: true},
		"512 bytes": {FrameLen: 508, Flows: 7},
		"largest":   {FrameLen: 1514, Senders: 2, Flows: 2, Bidirectional: true},
		"two pairs": {FrameLen: 60, More: []Pair{{c[2], c[3]}}, Bidirectional: true},
		"one sink":  {FrameLen: 60, More: []Pair{{c[2], c[1]}, {c[3], c[1]}}},
	} {
		b.From, b.To, b.Rate, b.Duration = c[0], c[1], modest, 200*time.Millisecond
		r, err := b.Run(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Sent[0] == 0 || (r.Sent[1] != 0) != b.Bidirectional || r.Received != r.Sent || r.Loss != 0 || r.Refused[0] != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		if planned := uint64(modest * 0.2); r.Sent[0]+r.Skipped[0] < planned*95/100 || r.Sent[0] > planned*105/100 {
			t.Errorf("%s: sent %d and skipped %d of about %d", name, r.Sent[0], r.Skipped[0], planned)
		}
	}
}

// TestBlastFlooded: where every port gets every frame, a pair counts its own.
func TestBlastFlooded(t *testing.T) {
	h, c := bridged(t, 4)
	for _, port := range []string{"pa", "pb", "pc", "pd"} {
		if err := h.Netlink().LinkSetLearning(link(t, h, port), false); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Blast{
		From: c[0], To: c[1], More: []Pair{{c[2], c[3]}},
		FrameLen: 60, Rate: modest, Duration: 100 * time.Millisecond,
	}.Run(t.Context())
	if err != nil || r.Sent[0] == 0 || r.Received != r.Sent {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestBlastFrames compares with what a capture sees: every number once, the
// flows in turn, frames that others can read.
func TestBlastFrames(t *testing.T) {
	_, c := bridged(t, 2)
	seen := netnstest.NewCapture(t, c[1].Host, "eth0")
	r, err := Blast{From: c[0], To: c[1], FrameLen: 100, Rate: modest, Duration: 100 * time.Millisecond, Flows: 3}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	numbers, flows := map[uint64]int{}, map[layers.UDPPort]int{}
	for range r.Received[0] {
		p := seen.WaitFor(func(p gopacket.Packet) bool { return len(p.Data()) == 100 && p.Layer(layers.LayerTypeUDP) != nil }, 5*time.Second)
		numbers[binary.BigEndian.Uint64(p.Data()[seqAt:])]++
		ip, udp := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4), p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		flows[udp.SrcPort]++
		if !ip.SrcIP.Equal(c[0].Addr.AsSlice()) || !ip.DstIP.Equal(c[1].Addr.AsSlice()) || sum(ip.Contents, 0) != math.MaxUint16 || int(udp.Length) != 100-udpAt ||
			udp.Checksum == 0 || sum(p.Data()[udpAt:], pseudoSum(p.Data())) != math.MaxUint16 {
			t.Fatalf("not a proper frame:\n%v", p)
		}
	}
	if uint64(len(numbers)) != r.Sent[0] || numbers[0] != 1 || numbers[r.Sent[0]-1] != 1 {
		t.Errorf("%d different numbers for %d frames", len(numbers), r.Sent[0])
	}
	if len(flows) != 3 {
		t.Errorf("flows: %v", flows)
	}
}

// TestCounterTrains: a superframe counts as the frames it stands for.
func TestCounterTrains(t *testing.T) {
	const (
		mark     = 0x01020304
		payload  = 100
		segments = 10
	)
	_, c := bridged(t, 2)
	n, err := newCounter(c[1], c[1].MAC, mark, headersLen+payload, true)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	u, err := c[0].Host.DialUDP(net.JoinHostPort(c[1].Addr.String(), "9"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := blocking(u.(*net.UDPConn))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.SetsockoptInt(int(f.Fd()), unix.SOL_UDP, unix.UDP_SEGMENT, payload); err != nil {
		t.Fatal(err)
	}
	train := make([]byte, segments*payload)
	for i := range segments {
		binary.BigEndian.PutUint32(train[i*payload:], mark)
	}
	// The last segment of a train may be shorter; alone it is no test frame.
	if _, err := f.Write(train[:len(train)-payload/2]); err != nil {
		t.Fatal(err)
	}
	var got uint64
	netnstest.Poll(t, 5*time.Second, func() bool {
		if got, err = n.read(); err != nil {
			t.Fatal(err)
		}
		return got == segments
	}, "all segments counted")
	if n.slot != 1 {
		t.Errorf("%d superframes; the test wants one", n.slot)
	}
}

// limit lets so many frames of 60 bytes a second out of an interface, with a
// short queue.
func limit(t *testing.T, h *netnstest.Host, ifname string, rate uint64) {
	t.Helper()
	const frames = 10 // in a burst, and in the queue
	err := h.Netlink().QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link(t, h, ifname).Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       rate * 60, Limit: frames * 60, Buffer: netlink.Xmittime(rate*60, frames*1514),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBlastLoss(t *testing.T) {
	h, c := bridged(t, 2)
	limit(t, h, "pb", modest/2)
	b := Blast{From: c[0], To: c[1], FrameLen: 60, Rate: modest, Duration: 500 * time.Millisecond}
	r, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Received[0] == 0 || r.Received[0] >= r.Sent[0] || r.Loss <= 0 || r.Loss >= 1 {
		t.Errorf("half the rate: %+v", r)
	}
	// The other way has no limit, and one way does not make up for the other.
	b.Bidirectional = true
	if r, err = b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Received[1] != r.Sent[1] || r.Received[0] >= r.Sent[0] || r.Loss <= 0 {
		t.Errorf("half the rate one way: %+v", r)
	}
}

func TestPDR(t *testing.T) {
	const want = 2 * modest
	h, c := bridged(t, 2)
	limit(t, h, "pb", want)
	var busy bool
	got, trials, err := PDR(t.Context(), Blast{From: c[0], To: c[1], FrameLen: 60}, 0.005, 1000, 100e3, 500*time.Millisecond, func(tr Trial) {
		busy = busy || tr.Rate < want && (tr.Behind || tr.SendLag > maxLate)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got < 0.9*want || got > 1.1*want {
		if busy {
			t.Skipf("this machine was too busy to send %d frames/s evenly; found %.0f", want, got)
		}
		t.Errorf("limit %d frames/s, found %.0f in %d trials", want, got, len(trials))
	}
}

func TestStartLoad(t *testing.T) {
	_, c := bridged(t, 2)
	noLeaks(t)
	l, err := StartLoad(t.Context(), Blast{From: c[0], To: c[1], FrameLen: 60, Rate: modest, Bidirectional: true})
	if err != nil {
		t.Fatal(err)
	}
	lat, err := RTT(t.Context(), c[0], c[1], "tcp", 1, 100*time.Millisecond, FirstCPU)
	if err != nil || lat.Count == 0 {
		t.Errorf("under load: %+v, %v", lat, err)
	}
	r, err := l.Stop()
	if err != nil || r.Sent[0] == 0 || r.Received != r.Sent {
		t.Errorf("load: %+v, %v", r, err)
	}
}

func TestBlastValidate(t *testing.T) {
	_, c := bridged(t, 2)
	good := Blast{From: c[0], To: c[1], FrameLen: 60, Rate: 1, Duration: 1}
	for name, change := range map[string]func(*Blast){
		"short frame":  func(b *Blast) { b.FrameLen = 59 },
		"no rate":      func(b *Blast) { b.Rate = 0 },
		"no time":      func(b *Blast) { b.Duration = 0 },
		"no MAC":       func(b *Blast) { b.To.MAC = nil },
		"no host":      func(b *Blast) { b.More = []Pair{{}} },
		"flows":        func(b *Blast) { b.Flows = maxFlows + 1 },
		"senders":      func(b *Blast) { b.Senders = -1 },
		"no interface": func(b *Blast) { b.From.IfName = "none0" },
	} {
		b := good
		change(&b)
		if _, err := b.Run(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLearning: a bridge that learns floods nothing; one that does not floods
// all.
func TestLearning(t *testing.T) {
	const addresses = 500
	h, c := bridged(t, 3)
	l := Learning{Learner: c[0], Tester: c[1], Monitor: c[2], Addresses: addresses, Rate: modest, TestRate: modest}
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Shown != addresses || r.Delivered != addresses || r.Flooded != 0 || r.Rate <= 0 {
		t.Errorf("with learning: %+v", r)
	}
	if err := h.Netlink().LinkSetLearning(link(t, h, "pa"), false); err != nil {
		t.Fatal(err)
	}
	if r, err = l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Shown != addresses || r.Delivered != addresses || r.Flooded != addresses {
		t.Errorf("without: %+v", r)
	}
	if n, err := l.Capacity(t.Context(), 10, 10, nil); n != 0 || err != nil {
		t.Errorf("capacity without: %d, %v", n, err)
	}
}
