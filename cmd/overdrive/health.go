package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"overdrive/config"
	"overdrive/proxy/admin/dashboard"
)

// health is the HTTP side: /healthz says that the process lives, /readyz that it takes new clients, /metrics what it has counted. All else is the
// dashboard.
type health struct {
	address string // empty: there is no HTTP side
	server  *http.Server
	serving sync.WaitGroup
	isReady atomic.Bool
	metrics atomic.Pointer[http.Handler] // nil: nothing runs yet
	board   atomic.Pointer[dashboard.Handler]
}

// Bounds of the HTTP side, whose questions are a few bytes long.
const (
	httpLimit     = 5 * time.Second
	maxHTTPHeader = 8 << 10
	maxHTTPConns  = 100
)

// fewConns closes a connection at once where there are enough of them: whoever keeps them all busy must not take the descriptors
// of clients.
type fewConns struct {
	net.Listener
	places chan struct{} // holds one token for each connection
}

// Accept is net.Listener's.
func (l *fewConns) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.places <- struct{}{}:
			return &fewConn{Conn: nc, leave: sync.OnceFunc(func() { <-l.places })}, nil
		default:
			nc.Close()
		}
	}
}

// fewConn gives its place back when it is closed.
type fewConn struct {
	net.Conn
	leave func()
}

// Close is net.Conn's.
func (c *fewConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// startHealth serves on address, by its socket if there is one; an empty one turns it off. The caller must close it.
func startHealth(address string, passed sockets, log *slog.Logger) (*health, error) {
	h := &health{}
	if address == "" {
		return h, nil
	}
	l, err := passed.listen(address)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	h.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.answerReady)
	mux.HandleFunc("GET /metrics", h.answerMetrics)
	mux.HandleFunc("/", h.answerDashboard)
	h.server = &http.Server{
		Handler: mux, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxHeaderBytes: maxHTTPHeader,
		ReadHeaderTimeout: httpLimit, ReadTimeout: httpLimit, WriteTimeout: httpLimit, IdleTimeout: 4 * httpLimit,
	}
	few := &fewConns{Listener: l, places: make(chan struct{}, maxHTTPConns)}
	h.serving.Go(func() { _ = h.server.Serve(few) })
	return h, nil
}

func (h *health) answerReady(w http.ResponseWriter, _ *http.Request) {
	if !h.isReady.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (h *health) answerMetrics(w http.ResponseWriter, r *http.Request) {
	handler := h.metrics.Load()
	if handler == nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	(*handler).ServeHTTP(w, r)
}

// ready makes /readyz say yes: clients may come.
func (h *health) ready() { h.isReady.Store(true) }

// stopping makes /readyz say no, so that nobody sends new clients.
func (h *health) stopping() { h.isReady.Store(false) }

func (h *health) close() {
	if h.server != nil {
		h.server.Close()
		h.serving.Wait()
	}
}

func healthcheckCommand() *cobra.Command {
	var address, file string
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running server whether it is alive (for containers)",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, set := os.LookupEnv("OVERDRIVE_HTTP"); file == "" && !set {
				file = os.Getenv(envConfig)
			}
			if file != "" && !cmd.Flags().Changed("http") {
				cfg, err := (&source{file: file}).load(cmd)
				if err != nil {
					return err
				}
				address = cfg.HTTP
			}
			return askHealth(cmd.Context(), address)
		},
	}
	flags := cmd.Flags()
	usual, set := os.LookupEnv("OVERDRIVE_HTTP")
	if !set {
		usual = config.Default().HTTP
	}
	flags.StringVar(&address, "http", usual, "HTTP address of the server (OVERDRIVE_HTTP)")
	flags.StringVar(&file, "config", "", "configuration file of the server, for its HTTP address ("+envConfig+")")
	return cmd
}

// healthLimit bounds one question, below the timeout that containers set for the whole command.
const healthLimit = 2 * time.Second

func askHealth(ctx context.Context, address string) error {
	if address == "" {
		return errors.New("health: the HTTP side is turned off")
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", http.NoBody)
	if err != nil {
		return &usageError{err}
	}
	// Without the default transport's proxy from the environment: the question is for this very address.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("health: server answers " + response.Status)
	}
	return nil
}
