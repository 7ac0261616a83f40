package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"weft/internal/netnstest"
)

// captured is what is in a file: how many requests and replies.
func captured(t *testing.T, data []byte) (requests, replies, others int) {
	t.Helper()
	requests, replies, others, err := count(data)
	if err != nil {
		t.Fatal(err)
	}
	return requests, replies, others
}

// count counts what is in a file. The error says that its end is no frame's end.
func count(data []byte) (requests, replies, others int, err error) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{})
	if err != nil {
		return 0, 0, 0, err
	}
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return requests, replies, others, nil
		}
		if err != nil {
			return requests, replies, others, err
		}
		l, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		switch {
		case !ok:
			others++
		case l.TypeCode.Type() == layers.ICMPv4TypeEchoRequest:
			requests++
		case l.TypeCode.Type() == layers.ICMPv4TypeEchoReply:
			replies++
		}
	}
}

// capture starts a capture of port web and waits until frames are seen: it
// pings until the file grows.
func (r *router) capture(from *netnstest.Host, path string, args ...string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command(r.bin, append([]string{"capture", "web", "-w", path}, args...)...)
	cmd.Env = append(os.Environ(), "WEFT_SOCKET="+r.socket)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if r.t.Failed() {
			r.t.Logf("capture said: %s", said.String())
		}
	})
	netnstest.Poll(r.t, patience, func() bool {
		from.MustPing(r.t, "10.77.0.2", 1)
		info, err := os.Stat(path)
		return err == nil && info.Size() > 300 // a header and a frame
	}, "frames are captured")
	return cmd
}

func TestCapture(t *testing.T) {
	r, web1, _ := twoPorts(t)
	path := filepath.Join(t.TempDir(), "web.pcapng")
	cmd := r.capture(web1, path, "icmp")
	web1.MustPing(t, "10.77.0.2", 3)
	netnstest.Poll(t, patience, func() bool {
		data, _ := os.ReadFile(path)
		requests, replies, _, _ := count(data)
		return requests >= 3 && replies >= 3
	}, "three pings are in the file")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("capture ended with %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if requests, replies, others := captured(t, data); requests < 3 || replies < 3 || others != 0 {
		t.Errorf("%d requests, %d replies, %d others", requests, replies, others)
	}
	if tcpdump, err := exec.LookPath("tcpdump"); err == nil {
		read := exec.Command(tcpdump, "-n", "-r", "-")
		read.Stdin = bytes.NewReader(data)
		out, err := read.Output()
		if err != nil || !strings.Contains(string(out), "10.77.0.1 > 10.77.0.2: ICMP echo request") ||
			!strings.Contains(string(out), "10.77.0.2 > 10.77.0.1: ICMP echo reply") {
			t.Errorf("tcpdump: %v\n%s", err, out)
		}
	}
}

// A capture sees a bad link as the attached host does, and ends with its count.
func TestCaptureBadLink(t *testing.T) {
	r, web1, _ := twoPorts(t)
	web1.MustPing(t, "10.77.0.2", 1)
	r.weft("port set web --delay 1ms")
	path := filepath.Join(t.TempDir(), "web.pcapng")
	cmd := r.capture(web1, path, "--count", "6", "icmp")
	r.weft("port set web --clear")
	web1.MustPing(t, "10.77.0.2", 6)
	if err := cmd.Wait(); err != nil {
		t.Errorf("capture ended with %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if requests, replies, others := captured(t, data); requests != 3 || replies != 3 || others != 0 {
		t.Errorf("%d requests, %d replies, %d others", requests, replies, others)
	}
	r.fails(1, "capture nobody", `no port "nobody"`)
	r.fails(1, "capture web host nobody", "names are not looked up")
	r.fails(2, "capture", "missing PORT")

	// The port's end, and the daemon's, is the capture's.
	cmd = r.capture(web1, filepath.Join(t.TempDir(), "x.pcapng"))
	r.weft("port rm web")
	if err := cmd.Wait(); err != nil {
		t.Errorf("capture of a port that was removed ended with %v", err)
	}
}
