package logqueue

import (
	"log/slog"
	"strings"
	"time"
)

const (
	// period is how long the same is said once.
	period = time.Minute
	// maxKinds bounds the kinds that are kept apart: peers choose the names of users and databases. Further ones are told
	// apart by their message alone.
	maxKinds = 1000
	// maxKey bounds what is compared of one line.
	maxKey = 512
)

// repeats knows what was said within the last minute. The zero value is empty.
type repeats struct {
	known map[string]*kind
	order []*kind // by since, the oldest first
}

// A kind is a line that was written, and those like it that were not.
type kind struct {
	key    string
	since  time.Time
	n      int // not written
	latest slog.Record
	inner  slog.Handler // of the latest
}

// A line is a record with the handler that it came to.
type line struct {
	record slog.Record
	inner  slog.Handler
}

// said notes a line and reports whether it is to be written.
func (p *repeats) said(key string, l line, now time.Time) bool {
	if p.known == nil {
		p.known = make(map[string]*kind)
	}
	k := p.known[key]
	if k == nil && len(p.known) >= maxKinds {
		key = l.record.Message
		if k = p.known[key]; k == nil && len(p.known) >= 2*maxKinds {
			key = ""
			k = p.known[key]
		}
	}
	if k == nil {
		k = &kind{key: key, since: now}
		p.known[key] = k
		p.order = append(p.order, k)
		return true
	}
	k.n++
	k.latest, k.inner = l.record.Clone(), l.inner
	return false
}

// due returns when the next minute is over.
func (p *repeats) due() (time.Time, bool) {
	if len(p.order) == 0 {
		return time.Time{}, false
	}
	return p.order[0].since.Add(period), true
}

// over returns what was repeated within minutes that are over, each with its count, and begins new ones for it. What was not
// repeated is forgotten. all: as if all were over.
func (p *repeats) over(now time.Time, all bool) []line {
	var lines []line
	for n := len(p.order); n > 0; n-- {
		k := p.order[0]
		if !all && k.since.Add(period).After(now) {
			break
		}
		p.order = p.order[1:]
		if k.n == 0 {
			delete(p.known, k.key)
			continue
		}
		k.latest.AddAttrs(slog.Int("repeated", k.n))
		lines = append(lines, line{k.latest, k.inner})
		k.since, k.n, k.latest = now, 0, slog.Record{}
		p.order = append(p.order, k)
	}
	return lines
}

// keyOf is what lines have in common that say the same. What belongs to one connection is left out: its number, its address,
// and the numbers in an error's text.
func keyOf(r *slog.Record, context string) string {
	var b strings.Builder
	b.WriteString(r.Level.String())
	b.WriteString(r.Message)
	b.WriteString(context)
	r.Attrs(func(a slog.Attr) bool {
		appendKey(&b, a)
		return b.Len() < maxKey
	})
	key := b.String()
	return strings.Clone(key[:min(len(key), maxKey)])
}

// passing are the attributes that belong to one connection, or to one moment.
var passing = map[string]bool{"session": true, "client": true, "retry_in": true, "stack": true, "took": true, "waited": true, "upstream": true}

func appendKey(b *strings.Builder, a slog.Attr) {
	if passing[a.Key] {
		return
	}
	b.WriteByte(0)
	b.WriteString(a.Key)
	b.WriteByte(0)
	text := a.Value.Resolve().String()
	if a.Key != "error" {
		b.WriteString(text[:min(len(text), maxKey)])
		return
	}
	for _, c := range []byte(text[:min(len(text), maxKey)]) {
		if c < '0' || c > '9' {
			b.WriteByte(c)
		}
	}
}
