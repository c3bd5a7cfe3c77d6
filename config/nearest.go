package config

import (
	"strings"

	"github.com/hbollon/go-edlib"
)

// suggest returns a hint for the unknown key path: the nearest key beside it, or a key of that name elsewhere when
// nothing beside it is near. It returns "" only when there are no keys to choose from.
func suggest(parent, name string, beside []string) string {
	best, dist := nearest(name, beside)
	if best == "" {
		return ""
	}
	if dist > nearEnough {
		for _, key := range Keys() {
			leaf := key[strings.LastIndexByte(key, '.')+1:]
			if d := distance(strings.ToLower(name), leaf); d <= nearEnough && d < dist {
				best, dist, parent = key, d, ""
			}
		}
	}
	if parent == "" {
		return best
	}
	return join(parent, best)
}

// nearEnough is the distance up to which a name is taken for a misspelling.
const nearEnough = 2

func nearest(name string, known []string) (best string, dist int) {
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); best == "" || d < dist {
			best, dist = k, d
		}
	}
	return best, dist
}

// longestCompared bounds the work that a hostile key can cause.
const longestCompared = 64

// distance is the number of insertions, deletions, substitutions and swaps of neighbours that turn a into b.
func distance(a, b string) int {
	if len(a) > longestCompared || len(b) > longestCompared {
		return max(len(a), len(b))
	}
	return edlib.OSADamerauLevenshteinDistance(a, b)
}

// NearestName returns the name that is most like the one given, or "" if there are none. Names differ by letter case, but are no farther
// from each other for it.
func NearestName(name string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); best == "" || d < least {
			best, least = k, d
		}
	}
	return best
}
