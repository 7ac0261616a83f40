//go:build !linux

package lab

import (
	"context"
	"errors"
	"os"

	"weft/lab/topology"
)

// errLinux says why there are no labs here.
var errLinux = errors.New("labs need Linux: they are made of its network namespaces")

// ExecOptions is how a command in a node is connected.
type ExecOptions struct {
	Node         string
	Args         []string
	Env          []string
	TTY          bool
	In, Out, Err *os.File
	Signals      bool
	Detach       bool
}

// Up is for Linux.
func Up(context.Context, *topology.Topology, []byte, func(string)) error { return errLinux }

// Down is for Linux.
func Down(context.Context, string) error { return errLinux }

// Exec is for Linux.
func Exec(context.Context, Dir, ExecOptions) (int, error) { return 0, errLinux }

// Console is for Linux.
func Console(context.Context, Dir, string, *os.File, *os.File) error { return errLinux }

func output(context.Context, Dir, string, []string) (int, string, error) { return 0, "", errLinux }

func (d Dir) held() bool { return false }

func ownDir(string) error { return errLinux }
