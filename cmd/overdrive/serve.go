package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"overdrive/cmd/overdrive/logqueue"
	"overdrive/config"
	"overdrive/proxy"
)

func serveCommand() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy until SIGTERM or Ctrl-C",
		Long: "Run the proxy. On SIGTERM or Ctrl-C nobody new is let in and transactions that are open may finish,\n" +
			"for at most limits.shutdown_timeout; a second signal stops at once.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := from.load(cmd)
			if err != nil {
				return err
			}
			signal.Ignore(syscall.SIGPIPE) // which would end the process when nobody reads its log any more
			log, flush := newLogger(cmd.ErrOrStderr(), cfg.Log)
			defer flush()
			return serve(cmd.Context(), cfg, log)
		},
	}
	from.addTo(cmd)
	return cmd
}

// newLogger writes to w, which is standard error: a container's log is read from there. Nobody who logs waits for it. flush
// must be called at the end; it writes what waits, for a moment at most.
func newLogger(w io.Writer, l config.Log) (log *slog.Logger, flush func()) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // checked by config
	o := &slog.HandlerOptions{Level: level}
	queue, handler := logqueue.New(w, func(w io.Writer) slog.Handler {
		if l.Format == "json" {
			return slog.NewJSONHandler(w, o)
		}
		return slog.NewTextHandler(w, o)
	})
	return slog.New(handler), func() { queue.Close(flushLimit) }
}

// flushLimit is how long the end of the program waits for who reads its log.
const flushLimit = time.Second

// serve runs the proxy until ctx ends, then stops it gently.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	listeners, err := listenAll(cfg.Listen)
	if err != nil {
		return err
	}
	health, err := startHealth(cfg.HTTP, log)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer health.close()
	server, protocol, err := newServer(cfg, log)
	if err != nil {
		closeAll(listeners)
		return err
	}
	warnOfDescriptors(cfg, log)
	if health.address != "" {
		log.Info("health", "address", health.address)
	}
	running := start(server, protocol, listeners)
	for _, l := range listeners {
		log.Info("listening", "address", l.Addr().String())
	}
	health.ready()
	limit := time.Duration(cfg.Limits.ShutdownTimeout)
	err = running.wait(ctx, limit, log)
	health.stopping()
	if stopErr := running.stop(limit); stopErr != nil {
		log.Warn("clients were cut off", "error", stopErr)
	}
	log.Info("stopped")
	return err
}

// running is a proxy that takes clients from its listeners.
type running struct {
	server *proxy.Server
	tasks  sync.WaitGroup
	// failed says why a listener takes no more clients.
	failed chan error
}

// start lets clients in. The caller must stop what is running, which closes the listeners.
func start(server *proxy.Server, p proxy.Protocol, listeners []net.Listener) *running {
	r := &running{server: server, failed: make(chan error, len(listeners))}
	for _, l := range listeners {
		r.tasks.Go(func() {
			if err := server.Serve(l, p); !errors.Is(err, proxy.ErrServerClosed) {
				r.failed <- err
			}
		})
	}
	return r
}

// wait returns when ctx ends, or with the reason why a listener takes no more clients.
func (r *running) wait(ctx context.Context, limit time.Duration, log *slog.Logger) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup: // would end the process otherwise
			log.Warn("SIGHUP: reloading is not built yet, nothing changes")
		case <-ctx.Done():
			log.Info("stopping: transactions may finish", "limit", limit)
			return nil
		case err := <-r.failed:
			return err
		}
	}
}

// stop lets transactions finish within limit. It returns an error if clients had to be cut off; nothing runs any more in
// either case.
func (r *running) stop(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := r.server.Shutdown(ctx)
	r.tasks.Wait()
	return err
}
