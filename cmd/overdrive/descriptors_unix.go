//go:build unix

package main

import (
	"log/slog"
	"syscall"

	"overdrive/config"
)

// otherDescriptors is what the process needs besides sockets of clients and pools: listeners, event loops, clients on their way in,
// cancel requests, files.
const otherDescriptors = 200

// warnOfDescriptors says so if the clients that the configuration lets in cannot be had. Go has raised the soft limit to the hard one.
func warnOfDescriptors(cfg *config.Config, log *slog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("limit of file descriptors is not known", "error", err)
		return
	}
	if needed := descriptorsFor(cfg); limit.Cur < needed {
		log.Warn("limits.max_clients cannot be had: too few file descriptors (ulimit -n)", "limit", limit.Cur, "needed", needed,
			"max_clients", cfg.Limits.MaxClients)
	}
}

// descriptorsFor counts one user of each database: how many will come is not known.
func descriptorsFor(cfg *config.Config) uint64 {
	n := cfg.Limits.MaxClients + otherDescriptors
	for _, db := range cfg.Databases {
		n += db.Pool.Size + 1 // and the connection that reads the catalog
	}
	return uint64(n)
}
