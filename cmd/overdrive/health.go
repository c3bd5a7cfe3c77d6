package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"overdrive/proxy"
)

// health is the HTTP side: /healthz says that the process lives, /readyz that it takes new clients.
type health struct {
	server *http.Server
	ready  atomic.Bool
}

// startHealth serves on address; an empty one turns it off.
func startHealth(address string, _ *proxy.Server) (*health, error) {
	h := &health{}
	h.ready.Store(true)
	if address == "" {
		return h, nil
	}
	var network net.ListenConfig
	l, err := network.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !h.ready.Load() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.server.Serve(l) }()
	return h, nil
}

// stopping makes /readyz say no, so that nobody sends new clients.
func (h *health) stopping() { h.ready.Store(false) }

func (h *health) close() {
	if h.server != nil {
		h.server.Close()
	}
}

func healthcheckCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running server whether it is alive (for containers)",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return askHealth(cmd.Context(), address) },
	}
	cmd.Flags().StringVar(&address, "http", "127.0.0.1:9432", "HTTP address of the server")
	return cmd
}

func askHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", http.NoBody)
	if err != nil {
		return &usageError{err}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("health: server answers " + response.Status)
	}
	return nil
}
