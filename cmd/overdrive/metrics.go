package main

import "overdrive/proxy/admin/metrics"

// showMetrics has /metrics show what runs.
func (h *health) showMetrics(r *running) error {
	if h.address == "" {
		return nil
	}
	handler, err := metrics.NewHandler(metrics.Options{Proxy: r.clients, Loops: r.server, Version: version, Program: r.counted}, r.log.Logger)
	if err != nil {
		return err
	}
	h.metrics.Store(&handler)
	return nil
}

// counted is what the program itself has counted.
func (r *running) counted() metrics.Program {
	n := &r.reloads
	n.mu.Lock()
	defer n.mu.Unlock()
	return metrics.Program{DroppedLines: r.log.queue.Dropped(), Reloads: n.ok, Failed: n.failed, LastFailed: n.lastFailed, Loaded: n.loaded}
}
