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

	"overdrive/config"
	"overdrive/proxy"
)

// stopLimit is how long transactions may go on after the signal to stop.
const stopLimit = 30 * time.Second

func serveCommand() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy until SIGTERM or Ctrl-C",
		Long: "Run the proxy. On SIGTERM or Ctrl-C nobody new is let in and transactions that are open may finish,\n" +
			"for at most " + stopLimit.String() + "; a second signal stops at once.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := from.load(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, newLogger(cmd.ErrOrStderr(), cfg.Log))
		},
	}
	from.addTo(cmd)
	return cmd
}

// newLogger writes to w, which is standard error: a container's log is read from there.
func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // checked by config
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// serve runs the proxy until ctx ends, then stops it gently.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	listeners, err := listenAll(cfg.Listen)
	if err != nil {
		return err
	}
	health, err := startHealth(cfg.HTTP)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer health.close()
	server, err := newServer(cfg, log)
	if err != nil {
		closeAll(listeners)
		return err
	}
	if health.address != "" {
		log.Info("health", "address", health.address)
	}
	running := start(server, listeners)
	for _, l := range listeners {
		log.Info("listening", "address", l.Addr().String())
	}
	health.ready()
	err = running.wait(ctx, log)
	health.stopping()
	if stopErr := running.stop(stopLimit); stopErr != nil {
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
func start(server *proxy.Server, listeners []net.Listener) *running {
	r := &running{server: server, failed: make(chan error, len(listeners))}
	for _, l := range listeners {
		r.tasks.Go(func() {
			if err := server.Serve(l); !errors.Is(err, proxy.ErrServerClosed) {
				r.failed <- err
			}
		})
	}
	return r
}

// wait returns when ctx ends, or with the reason why a listener takes no more clients.
func (r *running) wait(ctx context.Context, log *slog.Logger) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup: // would end the process otherwise
			log.Warn("SIGHUP: reloading is not built yet, nothing changes")
		case <-ctx.Done():
			log.Info("stopping: transactions may finish", "limit", stopLimit)
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
