package perf

import (
	"bytes"
	"strings"
	"testing"

	"weft/perf/report"
	"weft/perf/systems"
)

// TestVerdict: what weft fails at is an error; what others fail at is a line.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		failed     []string
		bad, aLine bool
	}{
		{nil, false, false},
		{[]string{"ovs"}, false, true},
		{[]string{"ovs", "weft"}, true, true},
		{[]string{"before"}, true, false}, // another build of weft
	} {
		var said bytes.Buffer
		comparison := comparison{o: Options{Stderr: &said}, systems: []*system{
			{System: &systems.System{Name: "weft"}, weft: true},
			{System: &systems.System{Name: "before"}, weft: true},
			{System: &systems.System{Name: "ovs"}},
		}}
		for _, name := range c.failed {
			comparison.result.Problems = append(comparison.result.Problems, report.Problem{System: name})
		}
		if err := comparison.verdict(); (err != nil) != c.bad {
			t.Errorf("%v failed: %v", c.failed, err)
		}
		if got := strings.Contains(said.String(), "other systems failed"); got != c.aLine {
			t.Errorf("%v failed, said %q", c.failed, said.String())
		}
	}
}

// TestBestSenders: the number of senders that a search did best with is the one
// whose rate counts and that is used from then on.
func TestBestSenders(t *testing.T) {
	f := found{{"pdr64", 1}: 100, {"pdr64", 2}: 300, {"other", 1}: 900}
	if n, rate := f.best("pdr64"); n != 2 || rate != 300 {
		t.Errorf("%d senders with %v", n, rate)
	}
	got := bestOf([]report.Tried{{Setting: "1 sender", Value: 3}, {Setting: "2 senders", Value: 2}})
	if got.setting != "1 sender" || got.value != 3 || len(got.tried) != 2 {
		t.Errorf("of 3 and 2: %+v", got)
	}
}

// TestTakesMTU: Open vSwitch with TAPs is not for a large underlay, and its
// veths are then in all measures.
func TestTakesMTU(t *testing.T) {
	c := comparison{o: Options{MTU: 1500}}
	for _, s := range systems.Others() {
		if s.Scene != twoHosts || !strings.HasPrefix(s.Name, "ovs") {
			continue
		}
		veth := s.Name == "ovs-veth"
		if got := c.takes(&measure{scene: twoHosts, mtu: jumbo}, &system{System: s}); got != veth {
			t.Errorf("%s at MTU %d: %v", s.Name, jumbo, got)
		}
		if got := c.takes(&measure{scene: twoHosts}, &system{System: s}); got == veth {
			t.Errorf("%s at MTU 1500: %v", s.Name, got)
		}
	}
}
