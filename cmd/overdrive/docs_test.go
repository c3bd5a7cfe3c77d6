package main

import (
	"strings"
	"testing"
)

// parseCommand wants a command line of the program to be understood: the command, its flags and the number of its arguments.
func parseCommand(t *testing.T, line string) {
	t.Helper()
	words := shellWords(line)
	cmd, rest, err := rootCommand().Find(words[1:])
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// shellWords splits a line as a shell does, as far as the documentation needs it: quotes, comments, and the end of a command.
func shellWords(line string) (words []string) {
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ':
			end()
		case !begun && strings.ContainsRune("#<>|&;", c):
			return words
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	end()
	return words
}
