package settings

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// StatementTimeout is the statement_timeout of the set, 0 for none; ok says whether the set has it. It is asked for whenever a
// statement waits, so the text is read once.
func (s *Set) StatementTimeout() (limit time.Duration, ok bool) { return s.limit, s.limited }

// noteTimeout reads the statement_timeout of a new set.
func (s *Set) noteTimeout() {
	if value, ok := s.Get("statement_timeout"); ok {
		s.limit, _ = ParseTimeout(value)
		s.limited = true
	}
}

// timeUnits are PostgreSQL's (guc.c), as are the rules of ParseTimeout.
var timeUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "": time.Millisecond, "s": time.Second, "min": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour,
}

// ParseTimeout reads the value of a parameter whose unit is the millisecond, as clients and servers spell it: 500, '5s',
// '1.5 min'. ok is false for what a server would refuse.
func ParseTimeout(value string) (limit time.Duration, ok bool) {
	value = strings.Trim(value, " \t\n\v\f\r")
	end := 0
	for end < len(value) && !('a' <= value[end] && value[end] <= 'z' && value[end] != 'e' && value[end] != 'x') && value[end] != ' ' && value[end] != '\t' {
		end++
	}
	number, unit := value[:end], strings.TrimLeft(value[end:], " \t")
	scale, known := timeUnits[unit]
	if !known {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 0, 32)
	f := float64(n)
	if err != nil || strings.Contains(number, "_") {
		if f, err = strconv.ParseFloat(number, 64); err != nil || strings.ContainsAny(number, "_nNiI") {
			return 0, false
		}
	}
	f = math.RoundToEven(f * float64(scale) / float64(time.Millisecond))
	if !(f >= 0 && f <= math.MaxInt32) {
		return 0, false
	}
	return time.Duration(f) * time.Millisecond, true
}
