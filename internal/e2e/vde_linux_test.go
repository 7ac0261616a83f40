package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// VDE's own plug, with a TAP on its other side, is a station of the network; it
// goes and returns, and its port stays.
func TestVDEPort(t *testing.T) {
	tool, err := exec.LookPath("vde_plug2tap")
	if err != nil {
		t.Skip("vde_plug2tap is not installed: apt-get install vde2")
	}
	_, r, web, dir := lone(t)
	path := filepath.Join(dir, "v.ctl")
	r.weft("port add blue vm --type vde --listen unix:%s", path)
	if p := r.port("vm"); p.State != ctl.StateWaiting || p.Type != "vde" || p.Listen != "unix:"+path {
		t.Errorf("%+v", p)
	}
	r.fails(1, "port add blue vm2 --type vde --listen unix:"+path, "listens on")
	r.fails(1, "port add blue vm2 --type vde --connect unix:"+path, "listen: must be given")
	r.fails(1, "port add blue vm2 --type vde --listen tcp:127.0.0.1:1", "want unix:")

	station := netnstest.NewHost(t, "station")
	plug := func() (stop func()) {
		t.Helper()
		cmd := exec.Command(tool, "--sock", path, "vde0")
		if err := station.Start(cmd); err != nil {
			t.Fatal(err)
		}
		r.awaitPort("vm", ctl.StateUp)
		netnstest.Poll(t, patience, func() bool { return station.AddAddress("vde0", "10.77.0.9/24") == nil }, "the plug's TAP is there")
		station.SetUp(t, "vde0")
		return func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	stop := plug()
	web.MustPing(t, "10.77.0.9", 3)
	before := r.port("vm")
	stop()
	r.awaitPort("vm", ctl.StateWaiting)
	if p := r.port("vm"); !strings.Contains(p.Reason, "closed") {
		t.Errorf("%+v", p)
	}
	stop = plug()
	defer stop()
	station.MustPing(t, "10.77.0.1", 3) // its TAP is another, with another address
	if p := r.port("vm"); p.RxFrames <= before.RxFrames {
		t.Errorf("the counters began anew: %+v, were %+v", p, before)
	}
	r.weft("port rm vm")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
