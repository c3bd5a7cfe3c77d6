package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
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
			if (from.file == "") == (from.connectionString == "") {
				return &usageError{errors.New("serve needs either --config or --connection-string")}
			}
			cfg, err := from.load(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, newLogger(cfg.Log))
		},
	}
	from.addTo(cmd)
	return cmd
}

// newLogger writes to standard error, where a container's log is read from.
func newLogger(l config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // checked by config
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// serve runs the proxy until ctx ends, then stops it gently.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	server, err := newServer(cfg, log)
	if err != nil {
		return err
	}
	listeners, err := listenAll(cfg.Listen)
	if err != nil {
		return errors.Join(err, shutdown(server, 0))
	}
	health, err := startHealth(cfg.HTTP, server)
	if err != nil {
		return errors.Join(err, shutdown(server, 0))
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
		log.Info("listening", "address", l.Addr().String())
	}
	select {
	case <-ctx.Done():
		log.Info("stopping: transactions may finish", "limit", stopLimit)
	case err = <-failed:
	}
	health.stopping()
	if stopErr := shutdown(server, stopLimit); stopErr != nil {
		log.Warn("clients were cut off", "error", stopErr)
	}
	health.close()
	log.Info("stopped")
	return err
}

// shutdown stops a server within limit. A second signal, which the default handler takes by then, ends the process.
func shutdown(server *proxy.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return server.Shutdown(ctx)
}

// listenAll opens all addresses, or none.
func listenAll(addresses []string) ([]net.Listener, error) {
	var all []net.Listener
	for _, address := range addresses {
		l, err := listen(address)
		if err != nil {
			for _, opened := range all {
				opened.Close()
			}
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// socketPort is the port that names the Unix socket, as in PostgreSQL.
const socketPort = "6432"

// listen opens host:port, or a Unix socket in a directory.
func listen(address string) (net.Listener, error) {
	var network net.ListenConfig
	if !filepath.IsAbs(address) {
		l, err := network.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		return l, nil
	}
	path := filepath.Join(address, ".s.PGSQL."+socketPort)
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := network.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, os.Chmod(path, 0o777) // who may log in is not the file system's business
}

// removeStale removes a socket that nobody listens on any more.
func removeStale(path string) error {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is in use", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
