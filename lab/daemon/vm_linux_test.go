package daemon

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weft/lab"
	"weft/lab/topology"
)

// The line that inspect prints means the same to a shell as to weft, whatever
// is in it.
func TestQEMULine(t *testing.T) {
	text := `
  nodes:
    v: {kind: vm, image: "/disk, with 'all'.qcow2", kernel: /k, append: "console=ttyS0 quiet", memory: 1G, cpu: 2, mac: {e2: "02:00:00:00:00:09"}}
    a:
  links: [{endpoints: ["v:e1", "a:e1"]}, {endpoints: ["a:e2", "v:e2"]}]
`
	top, err := topology.Parse("lab.yaml", []byte("name: x\ntopology:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{dir: lab.Dir("/lab")}
	words := l.qemuArgs(top, wired(t, text), top.Node("v"))
	out, err := exec.Command("/bin/sh", "-c", "printf '%s\\n' "+shellLine(words)).Output()
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, words) {
		t.Errorf("a shell reads %q of %q (%v)", got, words, err)
	}
	line := strings.Join(words, " ")
	for _, want := range []string{
		"file=/disk,, with 'all'.qcow2", "-m 1G -smp 2", "-append console=ttyS0 quiet",
		"-netdev stream,id=net1,server=off,addr.type=unix,addr.path=/lab/l4.sock -device virtio-net-pci,netdev=net1,mac=02:00:00:00:00:09",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%s\nlacks %s", line, want)
		}
	}
}

func TestMACOf(t *testing.T) {
	a, b := macOf("x", topology.End{Node: "v", Port: "e1"}), macOf("x", topology.End{Node: "v", Port: "e2"})
	if a == b || a != macOf("x", topology.End{Node: "v", Port: "e1"}) {
		t.Errorf("%s, %s", a, b)
	}
	if !strings.Contains("26ae", a[1:2]) {
		t.Errorf("%s is not a locally administered address of one machine", a)
	}
}
