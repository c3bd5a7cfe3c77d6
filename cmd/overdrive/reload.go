package main

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"overdrive/config"
)

// fixedKeys are those that a running program cannot follow.
var fixedKeys = []string{"http", "log.format", "loops"}

// errNoFile refuses a reload where there is nothing that could have changed.
var errNoFile = errors.New("there is no configuration file to reload")

// reloads count what became of reloads.
type reloads struct {
	mu         sync.Mutex // guards the fields below
	ok, failed uint64
	lastFailed bool
	loaded     time.Time // when the configuration that counts was read
}

func (n *reloads) note(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lastFailed = err != nil; n.lastFailed {
		n.failed++
		return
	}
	n.ok++
	n.loaded = time.Now()
}

// reload reads the configuration again and has everything that runs follow it. If it cannot, nothing changes, and the error says every
// reason. Clients of what has not changed notice nothing.
func (r *running) reload() error {
	if r.file == "" {
		return errNoFile
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	r.manager.reloading()
	cfg, err := r.load()
	if err == nil {
		err = r.follow(cfg)
	}
	if r.reloads.note(err); err != nil {
		r.manager.ready("the last reload failed: the configuration is as it was")
		return err
	}
	r.manager.ready("serving")
	return nil
}

// follow has everything that runs follow another configuration, or says why it cannot, and nothing has changed then. Call it with
// reloading held.
func (r *running) follow(cfg *config.Config) error {
	options, users, err := postgresOptions(cfg)
	if err != nil {
		return err
	}
	opened, err := r.open(cfg.Listen)
	if err != nil {
		return err
	}
	if err := r.witness.follow(cfg); err != nil {
		closeAll(opened)
		return err
	}
	before := r.cfg
	r.cfg = cfg
	r.log.level.Set(levelOf(cfg.Log))
	r.server.SetLimits(limits(cfg))
	r.cache.SetMaxBytes(int64(cfg.Cache.Memory))
	r.clients.Reconfigure(*options, time.Duration(cfg.Limits.ShutdownTimeout))
	r.prepare(cfg, users)
	r.console.Reconfigure(r.consoleOptions(cfg))
	if r.board != nil {
		r.board.Reconfigure(accounts(cfg))
	}
	r.serve(opened)
	r.closeUnnamed(cfg.Listen)
	r.sockets.warnOfUnused(append([]string{before.HTTP}, cfg.Listen...), r.log.Logger)
	r.tellChanges(before, cfg)
	return nil
}

// closeUnnamed closes the listeners whose addresses are not named any more. Clients that came by them stay.
func (r *running) closeUnnamed(addresses []string) {
	for address, l := range r.listeners {
		if slices.Contains(addresses, address) {
			continue
		}
		delete(r.listeners, address)
		r.closed[l] = true
		l.Close()
		r.log.Info("not listening any more", "address", l.Addr().String())
	}
}

// tellChanges logs which keys have changed, and which of these count from the next start on only.
func (r *running) tellChanges(before, after *config.Config) {
	changed, fixed := changedKeys(before, after)
	r.log.Info("reloaded", "changed", strings.Join(changed, " "))
	if len(fixed) > 0 {
		r.log.Warn("these keys count when the program starts again", "keys", strings.Join(fixed, " "))
	}
}

// changedKeys lists the keys whose values differ, as far as they are shown, and those of them that need a restart.
func changedKeys(before, after *config.Config) (changed, fixed []string) {
	values := make(map[string]string)
	for _, v := range before.Values() {
		values[v.Key] = v.Value
	}
	for _, v := range after.Values() {
		was, known := values[v.Key]
		delete(values, v.Key)
		if known && was == v.Value {
			continue
		}
		changed = append(changed, v.Key)
	}
	for key := range values {
		changed = append(changed, key)
	}
	slices.Sort(changed)
	for _, key := range changed {
		if slices.Contains(fixedKeys, key) {
			fixed = append(fixed, key)
		}
	}
	return changed, fixed
}

// tryReload is reload for a signal, or a file that has changed: it tells the log.
func (r *running) tryReload(why string) {
	err := r.reload()
	var problems config.Problems
	switch {
	case err == nil:
	case errors.As(err, &problems):
		for _, p := range problems {
			r.log.Error("the configuration stays as it was", "reason", why, "problem", p.String())
		}
	default:
		r.log.Error("the configuration stays as it was", "reason", why, "problem", err)
	}
}

// levelOf is the level of a configuration, which config has checked.
func levelOf(l config.Log) (level slog.Level) {
	_ = level.UnmarshalText([]byte(l.Level))
	return level
}
