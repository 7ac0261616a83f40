package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// law is which packages of weft a package may import, tests aside: names
// below the module, patterns as path.Match has them, "*" for all. A package
// with no row fails. The same table, for people, is in docs/ARCHITECTURE.md.
var law = map[string][]string{
	"frame":              {},
	"frame/offload":      {"frame"},
	"fib":                {"frame"},
	"ctl":                {"frame", "impair", "internal/unixsock"},
	"ctl/ctltest":        {"ctl", "frame"},
	"impair":             {"frame", "frame/offload"},
	"capture":            {"frame", "frame/offload"},
	"impair/linkbench":   {"ctl", "frame", "impair", "internal/netns", "internal/poll", "internal/vectorio"},
	"tap":                {"frame", "frame/offload", "internal/ethtool", "internal/poll", "internal/tundev", "internal/vectorio"},
	"tunnel":             {"frame", "frame/offload", "internal/ethtool", "internal/poll", "internal/tundev", "internal/vectorio"},
	"stream":             {"frame", "frame/offload", "internal/vectorio"},
	"switch":             {"frame", "fib"},
	"mesh":               {"frame"},
	"node/config":        {"ctl", "frame", "impair", "internal/yamlfile"},
	"node/interop":       {},
	"node":               {"frame", "frame/offload", "fib", "ctl", "tap", "stream", "tunnel", "switch", "mesh", "impair", "capture", "node/config", "internal/unixsock", "internal/poll"},
	"lab/topology":       {"ctl", "frame", "impair", "internal/yamlfile"},
	"lab/space":          {},
	"lab/engine":         {},
	"lab/graph":          {"lab/topology"},
	"lab":                {"ctl", "impair", "tunnel", "lab/topology", "lab/engine", "internal/netns"},
	"lab/daemon":         {"ctl", "frame", "impair", "node", "lab", "lab/topology", "lab/space", "lab/engine", "internal/netns"},
	"plugin/*":           {"ctl", "frame"},
	"cmd/weft":           {"ctl", "node", "node/config", "lab", "lab/daemon", "lab/topology", "lab/graph", "impair", "plugin/*", "perf"},
	"perf":               {"*"},
	"perf/*":             {"*"},
	"internal/arch":      {},
	"internal/netns":     {},
	"internal/poll":      {},
	"internal/ethtool":   {},
	"internal/tundev":    {},
	"internal/vectorio":  {},
	"internal/yamlfile":  {},
	"internal/unixsock":  {},
	"internal/netnstest": {"internal/netns"},
	"internal/e2e":       {},
	"internal/demo":      {"internal/netns"},
}

// pure are the packages that make no system call: their tests run in memory,
// on any system. They import the standard library only, and of that not what
// reaches the system.
var (
	pure       = []string{"frame", "frame/offload", "fib", "switch"}
	processor  = "golang.org/x/sys/cpu" // asks the processor, not the system
	systemOnly = []string{"os", "os/exec", "os/signal", "syscall", "plugin"}
)

// systems are the ones whose files are looked at.
var systems = []string{"linux", "darwin", "windows"}

type pkg struct {
	ImportPath string
	Module     struct{ Path string }
	Imports    []string
}

// name is the path below the module, "" for a package of another one.
func (p *pkg) name(importPath string) string {
	name, ok := strings.CutPrefix(importPath, p.Module.Path+"/")
	if !ok {
		return ""
	}
	return name
}

func TestImports(t *testing.T) {
	for _, goos := range systems {
		for _, p := range list(t, goos) {
			name := p.name(p.ImportPath)
			row, ok := rowOf(name)
			if !ok {
				t.Errorf("%s has no row in the import law: decide who may import it and what it may import", name)
				continue
			}
			for _, i := range p.Imports {
				if imported := p.name(i); imported != "" && !matches(law[row], imported) {
					t.Errorf("%s imports %s (on %s); it may import %v", name, imported, goos, law[row])
				}
			}
		}
	}
}

func TestPure(t *testing.T) {
	for _, goos := range systems {
		for _, p := range list(t, goos) {
			if !slices.Contains(pure, p.name(p.ImportPath)) {
				continue
			}
			for _, i := range p.Imports {
				first, _, _ := strings.Cut(i, "/")
				foreign := strings.Contains(first, ".") // as every import path of another module has
				if i == processor {
					continue
				}
				if foreign || slices.Contains(systemOnly, i) {
					t.Errorf("%s imports %s (on %s); it makes no system call and needs the standard library alone", p.ImportPath, i, goos)
				}
			}
		}
	}
}

// TestDocumented compares the law with the table that people read.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := table(string(text))
	for row, may := range law {
		got, ok := documented[row]
		if !ok {
			t.Errorf("docs/ARCHITECTURE.md has no row for %s", row)
			continue
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(may)); !slices.Equal(got, want) {
			t.Errorf("docs/ARCHITECTURE.md lets %s import %v, the law says %v", row, got, want)
		}
	}
	for row := range documented {
		if _, ok := law[row]; !ok {
			t.Errorf("docs/ARCHITECTURE.md has a row for %s, the law has none", row)
		}
	}
}

// table reads the rows `| packages | may import |` below the heading "Who may
// import whom". Names are in backquotes; several packages may share a row.
func table(text string) map[string][]string {
	rows := map[string][]string{}
	_, section, _ := strings.Cut(text, "Who may import whom")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, name := range quoted(cells[1]) {
			rows[name] = quoted(cells[2])
		}
	}
	return rows
}

func quoted(s string) (names []string) {
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			names = append(names, part)
		}
	}
	return names
}

func rowOf(name string) (string, bool) {
	for row := range law {
		if ok, _ := path.Match(row, name); ok {
			return row, true
		}
	}
	return "", false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == "*"
	})
}

// list asks the go command for the packages as they are built on a system.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Module,Imports", "./...")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaints.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
