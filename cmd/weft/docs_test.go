package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const docsPath = "../../docs/commands.md"

// TestCommandsDoc holds docs/commands.md to what the commands say of
// themselves; go test ./cmd/weft -run TestCommandsDoc -update writes it.
func TestCommandsDoc(t *testing.T) {
	root := (&app{out: io.Discard, errOut: io.Discard}).root()
	want := commandsDoc(root)
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./cmd/weft -run TestCommandsDoc -update", docsPath)
	}
}

// Every command says what it is for and shows an example.
func TestCommandsExplainThemselves(t *testing.T) {
	for _, cmd := range leaves((&app{out: io.Discard, errOut: io.Discard}).root()) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q", cmd.CommandPath(), cmd.Short)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example %q is not indented", cmd.CommandPath(), line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s has no Example", cmd.CommandPath())
		}
	}
}

// leaves are the commands that do something, in the order of the help.
func leaves(cmd *cobra.Command) []*cobra.Command {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.Name() != "help" && !c.Hidden {
			out = append(out, leaves(c)...)
		}
	}
	return out
}

func commandsDoc(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("<!-- Written by: go test ./cmd/weft -run TestCommandsDoc -update -->\n\n# Commands\n\n")
	b.WriteString(root.Long + "\n\n")
	b.WriteString("Exit codes: 0 success, 1 failure, 2 a command line that cannot be understood. Failures say one line on stderr.\n\n")
	b.WriteString("Every command takes:\n\n")
	writeFlags(&b, root.PersistentFlags())
	for _, group := range root.Commands() {
		if group.PersistentFlags().HasFlags() {
			fmt.Fprintf(&b, "Every `%s` command takes:\n\n", group.CommandPath())
			writeFlags(&b, group.PersistentFlags())
		}
	}
	b.WriteString("The commands:\n\n")
	for _, cmd := range leaves(root) {
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), lowerFirst(cmd.Short))
	}
	for _, cmd := range leaves(root) {
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n\n", cmd.CommandPath(), cmd.UseLine(), text)
		writeFlags(&b, cmd.LocalNonPersistentFlags())
		b.WriteString("For example:\n\n```sh\n")
		for line := range strings.Lines(cmd.Example) {
			b.WriteString(strings.TrimPrefix(line, "  "))
		}
		b.WriteString("\n```\n")
	}
	return b.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	n := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		n++
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, "- `%s`: %s\n", strings.TrimSpace(name+" "+value), usage)
	})
	if n > 0 {
		b.WriteString("\n")
	}
}
