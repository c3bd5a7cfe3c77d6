package main

import (
	"context"
	"os"
	"time"
)

// This file notices that the configuration's files have changed. They are looked at, which works for every file system, and where a file
// is a link that is exchanged as a whole, as Kubernetes does it with the volumes of a ConfigMap or Secret.

// watchEvery is how often the files are looked at.
const watchEvery = time.Second

// A stamp tells one state of a file from others. The zero value is that of a file which is not there.
type stamp struct {
	info os.FileInfo
	size int64
	at   time.Time
}

func stampOf(name string) stamp {
	info, err := os.Stat(name) // of what links lead to
	if err != nil {
		return stamp{}
	}
	return stamp{info, info.Size(), info.ModTime()}
}

func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == other.info
	}
	return os.SameFile(s.info, other.info) && s.size == other.size && s.at.Equal(other.at)
}

// A watcher knows the states of some files.
type watcher struct {
	files  func() []string
	stamps map[string]stamp
	moved  bool // at the last look something had changed
}

func newWatcher(files func() []string) *watcher {
	w := &watcher{files: files}
	w.look()
	return w
}

// look says whether the files have changed, and then stayed the same from one look to the next: whoever writes them has finished.
func (w *watcher) look() (changed bool) {
	now, moving := make(map[string]stamp), false
	for _, name := range w.files() {
		now[name] = stampOf(name)
		was, known := w.stamps[name]
		moving = moving || !known || !was.same(now[name])
	}
	first := w.stamps == nil
	settled := w.moved && !moving
	w.stamps, w.moved = now, moving && !first
	return settled
}

// watch calls changed when the files have, until ctx ends.
func (w *watcher) watch(ctx context.Context, changed func()) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if w.look() {
				changed()
			}
		case <-ctx.Done():
			return
		}
	}
}
