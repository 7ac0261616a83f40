package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weft/ctl"
	"weft/node/config"
)

func (a *app) applyCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the running daemon match a configuration file",
		Long: `Make the running daemon match a configuration file: add what is missing, change
what differs, remove what the file does not have, and leave the rest alone. It
prints a line for each change; applying the same file again changes nothing.`,
		Example: "  weft apply -f weft.yaml",
		Args:    args(),
		PreRunE: needs("file"),
		RunE: a.call(func(ctx context.Context, c *ctl.Client, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			changes, err := c.Apply(ctx, cfg)
			if err != nil {
				return err
			}
			if err := show(a, changes, printChanges); err != nil {
				return err
			}
			return a.failedChanges(changes)
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "configuration `file`")
	return cmd
}

// printChanges shows the changes that were made.
func printChanges(w io.Writer, changes []ctl.Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "nothing to change")
		return err
	}
	signs := map[string]string{"add": "+", "remove": "-", "change": "~"}
	for _, c := range changes {
		if c.Error != "" {
			continue
		}
		line := fmt.Sprintf("%s %s %s", signs[c.Action], c.Kind, c.Name)
		if c.Detail != "" {
			line += ": " + c.Detail
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// failedChanges complains of those that were not.
func (a *app) failedChanges(changes []ctl.Change) error {
	failed := false
	for _, c := range changes {
		if c.Error != "" {
			a.complain(errors.New(c.Error))
			failed = true
		}
	}
	if failed {
		return errReported
	}
	return nil
}
