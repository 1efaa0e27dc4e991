package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

func completionCommand() *command {
	c := newCommand("completion", "bash|zsh|fish", "Prints a script that completes commands and flags in a shell")
	c.examples = []string{
		"mmsgw completion bash > /etc/bash_completion.d/mmsgw",
		"mmsgw completion zsh > ~/.zfunc/_mmsgw",
		"mmsgw completion fish > ~/.config/fish/completions/mmsgw.fish",
	}
	shells := map[string]func(io.Writer, []*command){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}
	c.words = []string{"bash", "zsh", "fish"}
	c.run = func(_ context.Context, t *terminal, args []string) error {
		if len(args) != 1 || shells[args[0]] == nil {
			return usage("name one shell: bash, zsh or fish")
		}
		shells[args[0]](t.out, commands())
		return nil
	}
	return c
}

// offers is what can follow a command.
func (c *command) offers() string {
	offer := append([]string{}, c.words...)
	c.flags.VisitAll(func(f *pflag.Flag) { offer = append(offer, "--"+f.Name) })
	return strings.Join(offer, " ")
}

func completeBash(w io.Writer, all []*command) {
	fmt.Fprint(w, "# bash completion for mmsgw\n_mmsgw() {\n\tlocal words\n\tcase \"${COMP_WORDS[1]}\" in\n")
	for _, c := range all {
		fmt.Fprintf(w, "\t%s) words=%q ;;\n", c.name, c.offers())
	}
	fmt.Fprintf(w, "\tesac\n\t[ \"$COMP_CWORD\" -eq 1 ] && words=%q\n", strings.Join(names(all), " "))
	fmt.Fprint(w, "\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _mmsgw mmsgw\n")
}

func completeZsh(w io.Writer, all []*command) {
	fmt.Fprint(w, "#compdef mmsgw\nlocal -a offered\nif (( CURRENT == 2 )); then\n\toffered=(\n")
	for _, c := range all {
		fmt.Fprintf(w, "\t\t%q\n", c.name+":"+c.summary)
	}
	fmt.Fprint(w, "\t)\n\t_describe command offered\n\treturn\nfi\ncase \"${words[2]}\" in\n")
	for _, c := range all {
		fmt.Fprintf(w, "%s) offered=(%s) ;;\n", c.name, c.offers())
	}
	fmt.Fprint(w, "esac\ncompadd -- $offered\n_files\n")
}

func completeFish(w io.Writer, all []*command) {
	fmt.Fprint(w, "# fish completion for mmsgw\n")
	for _, c := range all {
		fmt.Fprintf(w, "complete -c mmsgw -n __fish_use_subcommand -a %s -d %q\n", c.name, c.summary)
		here := fmt.Sprintf("complete -c mmsgw -n '__fish_seen_subcommand_from %s'", c.name)
		if len(c.words) > 0 {
			fmt.Fprintf(w, "%s -a %q\n", here, strings.Join(c.words, " "))
		}
		c.flags.VisitAll(func(f *pflag.Flag) {
			fmt.Fprintf(w, "%s -l %s -d %q\n", here, f.Name, f.Usage)
		})
	}
}
