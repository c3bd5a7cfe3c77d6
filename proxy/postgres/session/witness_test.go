package session

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestParent_IsFoundAtEitherEndOfAText(t *testing.T) {
	const key, trace, span = "traceparent='", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	good := key + "00-" + trace + "-" + span + "-01'"
	long := strings.Repeat("x", 3*traceparentWithin)
	for _, c := range []struct {
		text           string
		found, sampled bool
	}{
		{"select 1 /*" + good + "*/", true, true},
		{"/*action='a'," + good + ",tracestate='b'*/ select 1", true, true},
		{"select 1 /*" + strings.Replace(good, "-01'", "-00'", 1) + "*/", true, false},
		{"select 1 /*" + strings.Replace(good, "'00-", "'cc-", 1) + "*/", true, true},
		{long + "/*" + good + "*/", true, true},
		{"/*" + good + "*/" + long, true, true},
		{long + "/*" + good + "*/" + long, false, false},
		{"select 1", false, false},
		{"", false, false},
		{key, false, false},
		{key + "00-", false, false},
		{"/*" + strings.Replace(good, "'00-", "'ff-", 1), false, false},
		{"/*" + strings.Replace(good, "0af7", "0xf7", 1), false, false},
		{"/*" + strings.Replace(good, span, strings.Repeat("0", 16), 1), false, false},
		{"/*" + strings.Replace(good, trace, strings.Repeat("0", 32), 1), false, false},
		{"/*" + strings.Replace(good, "-b7", "b-7", 1), false, false},
		{"/*" + good[:len(good)-1], false, false},
	} {
		p := parentIn([]byte(c.text))
		if p.IsZero() == c.found || p.Sampled != c.sampled {
			t.Errorf("%.80q: got %+v", c.text, p)
		}
		if c.found && (hex.EncodeToString(p.Trace[:]) != trace || hex.EncodeToString(p.Span[:]) != span) {
			t.Errorf("%.80q: got %+v", c.text, p)
		}
	}
}
