package logqueue

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// A Handler formats records into a queue, unless the same was said within the minute.
type Handler struct {
	queue   *Queue
	inner   slog.Handler
	context string // what WithAttrs and WithGroup added, for keyOf
}

// Enabled is the inner handler's.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// Handle queues a record. It never blocks. Whoever asked for lines below info wants to see each of them.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		key := keyOf(&r, h.context)
		h.queue.mu.Lock()
		first := h.queue.repeats.said(key, line{r, h.inner}, time.Now())
		h.queue.mu.Unlock()
		if !first {
			return nil
		}
	}
	return h.inner.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.context)
	for _, a := range attrs {
		appendKey(&b, a)
	}
	return &Handler{h.queue, h.inner.WithAttrs(attrs), b.String()}
}

// WithGroup is slog.Handler's.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.queue, h.inner.WithGroup(name), h.context + "\x00" + name}
}
