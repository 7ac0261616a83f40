package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// A daemon that may, has precedence, all its threads, unless its file says not;
// and status knows.
func TestPriority(t *testing.T) {
	if netnstest.Plain() {
		t.Skip("all accelerations are off in this run")
	}
	hosts := underlay(t, "a", "b")
	auto := start(t, hosts[0], "-c", file(t, fileA))
	off := start(t, hosts[1], "-c", file(t, fileB+"offload: {priority: off}\n"))
	own := nices(t, os.Getpid())
	for r, want := range map[*router]string{auto: "-10", off: own} {
		var said *ctl.Feature
		for _, f := range ask[ctl.Status](r, "status").Features {
			if f.Name == "priority" {
				said = &f
			}
		}
		got := nices(t, r.cmd.Process.Pid)
		switch {
		case said == nil:
			t.Errorf("status says nothing about it:\n%s", r.weft("status"))
		case said.Enabled && got != want:
			t.Errorf("%+v, and the threads have nice values %s", *said, got)
		case !said.Enabled && (got != own || said.Reason == ""):
			t.Errorf("%+v, and the threads have nice values %s", *said, got)
		case r == off && said.Enabled, r == auto && !said.Enabled && os.Geteuid() == 0 && !strings.Contains(said.Reason, "ulimit"):
			t.Errorf("%+v", *said)
		}
	}
}

// nices gives the different nice values of a process's threads.
func nices(t *testing.T, pid int) string {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatal(stats, err)
	}
	var list []string
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if nice := strings.Fields(rest)[16]; len(list) == 0 || list[len(list)-1] != nice {
			list = append(list, nice)
		}
	}
	return strings.Join(list, " ")
}
