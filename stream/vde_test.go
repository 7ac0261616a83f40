package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/frame"
)

// vdeRequest is what a client sends that has its frames sent to path.
func vdeRequest(path string) []byte {
	r := binary.NativeEndian.AppendUint32(nil, vdeMagic)
	r = binary.NativeEndian.AppendUint32(r, vdeVersion)
	r = binary.NativeEndian.AppendUint32(r, 0)
	return append(append(r, vdeAddressOf(path)...), "a description"...)
}

// vdePort is a port that waits, in a directory, with the client's socket and
// its connection.
func vdePort(t *testing.T) (l *Listener, bind func() (PacketConn, string, error), client *net.UnixConn, path string, control net.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	inner, err := net.Listen("unix", filepath.Join(dir, "ctl"))
	if err != nil {
		t.Fatal(err)
	}
	l = NewListener(inner, func() {})
	l.Start()
	t.Cleanup(func() { _ = l.Close() })
	if control, err = net.Dial("unix", filepath.Join(dir, "ctl")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	bind = func() (PacketConn, string, error) {
		at := filepath.Join(dir, "data")
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
		return c, at, err
	}
	path = filepath.Join(dir, "client")
	return l, bind, listenPeer(t, path), path, control
}

// A client gets where to send its frames, frames pass both ways, also once it
// has removed its path, and its going ends the port.
func TestVDE(t *testing.T) {
	if errors.Is(connectPath(^uintptr(0), "/"), errors.ErrUnsupported) {
		t.Skip("VDE is for Linux")
	}
	l, bind, client, path, control := vdePort(t)
	if _, err := control.Write(vdeRequest(path)); err != nil {
		t.Fatal(err)
	}
	p, err := l.AcceptVDE(t.Context(), bind)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	answer := make([]byte, addressLen+1)
	n, err := control.Read(answer)
	at := string(bytes.TrimRight(answer[2:n], "\x00"))
	if err != nil || n != addressLen || binary.NativeEndian.Uint16(answer) != syscall.AF_UNIX || filepath.Base(at) != "data" {
		t.Fatalf("the answer is %d bytes, %q, %v", n, answer[:n], err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	var tally frame.Tally
	out := numbered(1, 1514)
	p.NewTx().WriteBatch(bufs(out), &tally)
	got := make([]byte, 2000)
	if err := client.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err = client.Read(got); err != nil || !bytes.Equal(got[:n], out) {
		t.Fatalf("the client got %d bytes, %v", n, err)
	}
	in := numbered(2, 60)
	if _, err := client.WriteToUnix(in, &net.UnixAddr{Name: at, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	var b frame.Batch
	if err := p.Rx().ReadBatch(&b); err != nil || b.Len() != 1 || !bytes.Equal(b.Bufs()[0].Head(), in) {
		t.Fatalf("the port got %d frames, %v", b.Len(), err)
	}

	_ = control.Close()
	if err := p.Rx().ReadBatch(&b); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("the client has gone: %v", err)
	}
}

// What is no request of VDE's is refused in words.
func TestVDERefused(t *testing.T) {
	other := vdeRequest("/x")
	other[4] = 9
	for want, request := range map[string][]byte{
		"does not speak VDE":       bytes.Repeat([]byte{1}, vdeAddress+addressLen),
		"speaks version 9":         other,
		"gives no path":            vdeRequest("relative"),
		"connect to /nowhere/here": vdeRequest("/nowhere/here"),
		"its request: ":            {1, 2, 3},
	} {
		l, bind, _, _, control := vdePort(t)
		if _, err := control.Write(request); err != nil {
			t.Fatal(err)
		}
		_ = control.(*net.UnixConn).CloseWrite()
		if _, err := l.AcceptVDE(t.Context(), bind); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want ...%s", err, want)
		}
	}
}

func FuzzVDEPeer(f *testing.F) {
	f.Add(vdeRequest("/run/x.ctl/.001-0"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, request []byte) {
		if path, err := vdePeer(request); err == nil && (path == "" || path[0] != '/' || len(path) > addressLen) {
			t.Errorf("%q", path)
		}
	})
}
