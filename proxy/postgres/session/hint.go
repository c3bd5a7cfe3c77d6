package session

import (
	"overdrive/querycache"
	"overdrive/querycache/sqlscan"
)

// HintOf returns what the first comment of the text that is meant for the cache asks of it, or nil if there is none. That is found out
// by a search for a substring.
func HintOf(text []byte) *querycache.Hint {
	words, ok := sqlscan.Hint(text)
	if !ok {
		return nil
	}
	return querycache.ParseHint(words)
}
