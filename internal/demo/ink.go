package main

import (
	"fmt"
	"os"
	"strings"
)

// ink is how things look: with colour on a terminal, plain elsewhere and
// where NO_COLOR (no-color.org) asks for it.
type ink struct{ colour bool }

func newInk() ink {
	st, err := os.Stdout.Stat()
	terminal := err == nil && st.Mode()&os.ModeCharDevice != 0
	return ink{terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (i ink) paint(code, s string) string {
	if !i.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (i ink) title(format string, args ...any) {
	fmt.Println("\n" + i.paint("1;36", "== "+fmt.Sprintf(format, args...)))
}

// command shows a command line at the prompt of a host.
func (i ink) command(host string, args ...string) {
	fmt.Println(i.paint("2", "host "+host+" $ ") + i.paint("1", "weft "+strings.Join(args, " ")))
}
