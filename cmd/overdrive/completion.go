package main

import (
	"io"

	"github.com/spf13/cobra"
)

// shells are those whose command lines can be completed, each with what writes the script for it.
var shells = []struct {
	name  string
	write func(root *cobra.Command, w io.Writer) error
}{
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", (*cobra.Command).GenZshCompletion},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", (*cobra.Command).GenPowerShellCompletionWithDesc},
}

// completionCommand stands for cobra's own, which writes to where it was told before anybody could say otherwise.
func completionCommand() *cobra.Command {
	all := &cobra.Command{
		Use:   "completion",
		Short: "Write the completion of command lines for bash, zsh, fish or PowerShell",
		Long: "Write what a shell reads to complete the command lines of this program. For bash, with the package bash-completion:\n\n" +
			"  overdrive completion bash > /etc/bash_completion.d/overdrive",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, shell := range shells {
		all.AddCommand(&cobra.Command{
			Use:   shell.name,
			Short: "Write the completion for " + shell.name,
			Args:  noArguments,
			RunE:  func(cmd *cobra.Command, _ []string) error { return shell.write(cmd.Root(), cmd.OutOrStdout()) },
		})
	}
	return all
}
