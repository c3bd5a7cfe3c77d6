package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
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
			"for at most limits.shutdown_timeout; a second signal stops at once. SIGHUP, or a change of the configuration\n" +
			"file or of a file that it names, has the running proxy follow; a bad configuration changes nothing.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := from.load(cmd)
			if err != nil {
				return err
			}
			signal.Ignore(syscall.SIGPIPE) // which would end the process when nobody reads its log any more
			log := newLogger(cmd.ErrOrStderr(), cfg.Log)
			defer log.flush()
			return serve(cmd.Context(), cfg, origin{from.followed(), func() (*config.Config, error) { return from.load(cmd) }}, log)
		},
	}
	from.addTo(cmd)
	return cmd
}

// A logger is the program's log. Nobody who logs waits for whoever reads it. flush must be called at the end.
type logger struct {
	*slog.Logger
	level *slog.LevelVar
	queue *logqueue.Queue
}

// flush writes what waits, for a moment at most.
func (l *logger) flush() { l.queue.Close(flushLimit) }

// newLogger writes to w, which is standard error: a container's log is read from there.
func newLogger(w io.Writer, l config.Log) *logger {
	level := new(slog.LevelVar)
	level.Set(levelOf(l))
	o := &slog.HandlerOptions{Level: level}
	queue, handler := logqueue.New(w, func(w io.Writer) slog.Handler {
		if l.Format == "json" {
			return slog.NewJSONHandler(w, o)
		}
		return slog.NewTextHandler(w, o)
	})
	return &logger{slog.New(handler), level, queue}
}

// flushLimit is how long the end of the program waits for who reads its log.
const flushLimit = time.Second

// serve runs the proxy until ctx ends, then stops it gently.
func serve(ctx context.Context, cfg *config.Config, from origin, log *logger) error {
	sockets, err := inheritedSockets()
	if err != nil {
		return err
	}
	health, err := startHealth(cfg.HTTP, sockets, log.Logger)
	if err != nil {
		return err
	}
	defer health.close()
	if health.address != "" {
		log.Info("health", "address", health.address)
	}
	warnOfDescriptors(cfg, log.Logger)
	known := newWatcher(func() []string { return filesOf(cfg, from.file) }) // what changes from now on is noticed
	running, err := start(ctx, cfg, from, sockets, log)
	if err != nil {
		return err
	}
	if err := health.showMetrics(running); err != nil {
		return errors.Join(err, running.stop(0))
	}
	health.showDashboard(running)
	known.files = running.files
	sockets.warnOfUnused(append([]string{cfg.HTTP}, cfg.Listen...), log.Logger)
	defer tryUpstreams(ctx, cfg, log.Logger)()
	health.ready()
	running.manager.ready("serving")
	defer running.keepWatched()()
	limit, err := running.wait(ctx, known, health.stopping)
	log.Info("stopping: transactions may finish", "limit", limit)
	health.stopping()
	running.manager.stopping(limit)
	if stopErr := running.stop(limit); stopErr != nil {
		log.Warn("clients were cut off", "error", stopErr)
	}
	log.Info("stopped")
	return err
}

// wait returns when ctx ends, an administrator ends the program, or with the reason why a listener takes no more clients; and for how long
// clients may finish what is open. Meanwhile it follows the configuration. closing is called when nobody new is let in.
func (r *running) wait(ctx context.Context, known *watcher, closing func()) (time.Duration, error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	changed := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() {
		known.watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
			}
		})
	})
	for {
		select {
		case <-hangup:
			r.tryReload("SIGHUP")
		case <-changed:
			r.tryReload("a file has changed")
		case how := <-r.endings:
			closing()
			if how == proxy.EndNow {
				return 0, nil
			}
			r.log.Info("nobody new is let in")
		case <-ctx.Done():
			return r.patience(), nil
		case err := <-r.failed:
			return r.patience(), err
		}
	}
}

// files are those that the configuration comes from and names.
func (r *running) files() []string {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	return filesOf(r.cfg, r.file)
}

func filesOf(cfg *config.Config, file string) []string {
	if file == "" {
		return nil
	}
	return append(cfg.Files(), file)
}
