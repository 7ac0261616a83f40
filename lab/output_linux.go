package lab

import (
	"context"
	"io"
	"os"
	"strings"
)

// output runs a command without input and gives what it says.
func output(ctx context.Context, d Dir, node string, args []string) (code int, out string, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, "", err
	}
	defer null.Close()
	// A file and not a pipe: what the command leaves in the background may
	// keep it open.
	f, err := os.CreateTemp(string(d), "out-")
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return 0, "", err
	}
	code, err = Exec(ctx, d, ExecOptions{Node: node, Args: args, In: null, Out: f, Err: f})
	if err != nil {
		return 0, "", err
	}
	var b strings.Builder
	_, err = io.Copy(&b, io.NewSectionReader(f, 0, maxOutput))
	return code, b.String(), err
}
