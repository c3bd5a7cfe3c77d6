package querycache

import (
	"bytes"
	"strings"
	"time"

	"overdrive/querycache/sqlscan"
)

// Hint is what a comment in a statement asks of the cache:
//
//	/* overdrive: max_age=5m, swr=10s, tag=scores, no-cache, refresh */
//
// It changes how the statement is treated and never which answer it gets.
type Hint struct {
	NoCache              bool           // neither serve nor keep
	Refresh              bool           // ask the server, and keep its answer
	MaxAge               *time.Duration // nil: not said
	StaleWhileRevalidate *time.Duration // nil: not said
	Tags                 []string
	Unknown              []string // words that were not understood, and are ignored
}

// maxHintWords bounds the words of a hint that are looked at.
const maxHintWords = 32

// HintOf returns what the first such comment of the text says, or nil if it has none. It is cheap then.
func HintOf(text []byte) *Hint {
	comment, ok := sqlscan.Hint(text)
	if !ok {
		return nil
	}
	h := new(Hint)
	isBreak := func(r rune) bool { return r == ',' || r == ' ' || '\t' <= r && r <= '\r' }
	for i, word := range bytes.FieldsFunc(comment, isBreak) {
		if i == maxHintWords || !h.take(string(word)) {
			h.Unknown = append(h.Unknown, string(word))
		}
		if i == maxHintWords {
			break
		}
	}
	return h
}

// take notes one word of the comment and reports whether it was understood.
func (h *Hint) take(word string) bool {
	name, value, _ := strings.Cut(word, "=")
	switch strings.ToLower(name) {
	case "no-cache":
		h.NoCache = true
		return value == ""
	case "refresh":
		h.Refresh = true
		return value == ""
	case "tag":
		if value == "" {
			return false
		}
		h.Tags = append(h.Tags, value)
		return true
	case "max_age":
		return setAge(&h.MaxAge, value)
	case "swr", "stale_while_revalidate":
		return setAge(&h.StaleWhileRevalidate, value)
	}
	return false
}

// setAge reads a duration, or a number of seconds.
func setAge(age **time.Duration, value string) bool {
	d, err := time.ParseDuration(value)
	if err != nil {
		d, err = time.ParseDuration(value + "s")
	}
	if err != nil || d < 0 {
		return false
	}
	*age = &d
	return true
}
