package querycache

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Hint is what a comment in a statement asks of the cache:
//
//	/* overdrive: max_age=5m, swr=10s, tag=scores, no-cache, refresh, clock=1m */
//
// Which bytes of a statement are its comments the dialect knows; here the words behind "overdrive:" are read. A hint
// changes how the statement is treated and never which answer it gets.
type Hint struct {
	NoCache              bool           // neither serve nor keep
	Refresh              bool           // ask the server, and keep its answer
	MaxAge               *time.Duration // nil: not said
	StaleWhileRevalidate *time.Duration // nil: not said
	Clock                *time.Duration // see Rule.Clock; nil: not said
	Tags                 []string
	Unknown              []string // words that were not understood, and are ignored
}

// maxHintWords bounds the words of a hint that are looked at.
const maxHintWords = 32

// maxUnknownWord is how many bytes are told of a word that was not understood.
const maxUnknownWord = 64

// ParseHint returns what the words of a comment ask for, those behind "overdrive:". It looks at the first few, and names in Unknown
// those that it does not understand, and the first that it does not look at.
func ParseHint(words []byte) *Hint {
	h := new(Hint)
	isBreak := func(r rune) bool { return r == ',' || r == ' ' || '\t' <= r && r <= '\r' }
	for i, word := range bytes.FieldsFunc(words, isBreak) {
		if i == maxHintWords || !h.take(string(word)) {
			h.Unknown = append(h.Unknown, string(word[:min(len(word), maxUnknownWord)]))
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
		h.NoCache = h.NoCache || word == name
		return word == name
	case "refresh":
		h.Refresh = h.Refresh || word == name
		return word == name
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
	case "clock":
		return setAge(&h.Clock, value)
	}
	return false
}

// ParseAge reads a duration, or a number of seconds; it is never negative.
func ParseAge(text string) (age time.Duration, ok bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0
}

// setAge notes an age, unless it is none.
func setAge(age **time.Duration, text string) bool {
	d, ok := ParseAge(text)
	if ok {
		*age = &d
	}
	return ok
}
