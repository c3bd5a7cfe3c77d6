package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"overdrive/config"
	"overdrive/proxy/postgres/upstream"
)

// This file tries the databases when the program starts, so that a wrong password or address is in the log before the first client meets
// it. Nobody waits for it.

// Bounds of the trials: how many logins run at once, and how long one may take, whatever its url says.
const (
	trialsAtOnce = 8
	trialLimit   = 30 * time.Second
)

// tryUpstreams logs in to each database once, in the background, and writes one line for each: what answers there, or why it cannot be
// used. The caller must call stop, which gives up what is under way.
func tryUpstreams(ctx context.Context, cfg *config.Config, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	names := make(chan string)
	var trials sync.WaitGroup
	trials.Go(func() {
		defer close(names)
		for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
			select {
			case names <- name:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(trialsAtOnce, len(cfg.Databases)) {
		trials.Go(func() {
			for name := range names {
				db := cfg.Databases[name]
				tryUpstream(ctx, name, target(&db.Upstream), db.Cache.TrustedFunctions, log)
			}
		})
	}
	return func() {
		cancel()
		trials.Wait()
	}
}

// tryUpstream logs in to one database and tells the log.
func tryUpstream(ctx context.Context, name string, t upstream.Target, trusted []string, log *slog.Logger) {
	if t.User == "" {
		log.Info("upstream was not tried: clients log in as themselves", "db", name)
		return
	}
	limited, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	began := time.Now()
	conn, err := logIn(limited, t)
	took := time.Since(began)
	if ctx.Err() != nil { // the program ends
		if err == nil {
			conn.NC.Close()
		}
		return
	}
	if err != nil {
		code := "" // none: the server has not answered
		var server *upstream.ServerError
		if errors.As(err, &server) {
			code = server.Code
		}
		log.Warn("upstream cannot be used", "db", name, "user", t.User, "code", code, "error", err, "took", took)
		return
	}
	defer conn.Close(goodbyeLimit)
	over := "off"
	if secured, ok := conn.NC.(*tls.Conn); ok {
		over = tls.VersionName(secured.ConnectionState().Version)
	}
	log.Info("upstream answers", "db", name, "user", t.User, "version", versionOf(conn), "tls", over, "took", took)
	warnOfUntrusted(conn, name, trusted, log)
}

// goodbyeLimit is how long a server may take to hang up.
const goodbyeLimit = time.Second
