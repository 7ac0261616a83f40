package perf

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"weft/perf/report"
)

// describe says what this machine is. What it does not tell stays empty.
func describe(o Options) report.Machine {
	m := report.Machine{Cores: runtime.NumCPU(), Weft: o.Version, Go: runtime.Version(), Congestion: o.Congestion}
	m.CPU = field("/proc/cpuinfo", "model name")
	if kb, _, ok := strings.Cut(field("/proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.Atoi(kb) // 0 then
		m.MemoryMB = n / 1024
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if name, err := os.ReadFile("/sys/class/dmi/id/sys_vendor"); err == nil {
		m.Virtual = strings.TrimSpace(string(name))
	}
	if strings.Contains(" "+field("/proc/cpuinfo", "flags")+" ", " hypervisor ") && m.Virtual == "" {
		m.Virtual = "a virtual machine"
	}
	return m
}

// field reads the first line "name: value" of a file.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
