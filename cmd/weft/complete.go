package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weft/ctl"
)

// completeWait is the longest that Tab may take.
const completeWait = time.Second

// namesOf asks the daemon for the words that fit.
type namesOf func(ctx context.Context, c *ctl.Client) ([]string, error)

func networkNames(ctx context.Context, c *ctl.Client) ([]string, error) {
	ns, err := c.Networks(ctx)
	names := make([]string, 0, len(ns))
	for _, n := range ns {
		names = append(names, fmt.Sprintf("%s\tVNI %d", n.Name, n.VNI))
	}
	return names, err
}

func portNames(ctx context.Context, c *ctl.Client) ([]string, error) {
	ps, err := c.Ports(ctx, "")
	names := make([]string, 0, len(ps))
	for _, p := range ps {
		names = append(names, p.Name+"\tof "+p.Network)
	}
	return names, err
}

func peerAddresses(ctx context.Context, c *ctl.Client) ([]string, error) {
	ps, err := c.Peers(ctx)
	names := make([]string, 0, len(ps))
	for _, p := range ps {
		names = append(names, p.Address)
	}
	return names, err
}

// complete offers names for the first argument, and nothing when there is no daemon.
func (a *app) complete(names namesOf) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.ask(cmd, names), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag offers names for the flag's value.
func (a *app) completeFlag(cmd *cobra.Command, flag string, names namesOf) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.ask(cmd, names), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag does not exist: every test meets it
	}
}

func (a *app) ask(cmd *cobra.Command, names namesOf) []string {
	path, err := a.socketPath()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
	defer cancel()
	c := ctl.Dial(path)
	defer c.Close()
	words, err := names(ctx, c)
	if err != nil {
		return nil
	}
	return words
}

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes weft's commands in a shell",
		Example: `  source <(weft completion bash)
  weft completion zsh > "${fpath[1]}/_weft"
  weft completion fish > ~/.config/fish/completions/weft.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args("bash|zsh|fish")(cmd, given); err != nil {
				return err
			}
			if err := cobra.OnlyValidArgs(cmd, given); err != nil {
				return &usageError{cmd, fmt.Errorf("completion: unknown shell %q (want bash, zsh or fish)", given[0])}
			}
			return nil
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.out)
			default:
				return cmd.Root().GenFishCompletion(a.out, true)
			}
		}),
	}
}
