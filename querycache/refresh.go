package querycache

import "time"

// refreshPause is how long after a refresh of an entry has begun the next one may, if that came to nothing.
const refreshPause = time.Second

// refresh returns a fill for the stale entry to the one caller who is to refresh it, and nil to all others.
func (l *look) refresh() *Fill {
	if l.now-l.entry.tried < refreshPause || !l.s.retry(l.hash, l.serial, l.entry.tried, l.now) {
		return nil
	}
	f, _ := l.begin()
	if f == nil {
		return nil
	}
	l.d.stats.refreshes.Add(1)
	l.join(nil, f)
	return f
}
