package main

import (
	"net"
	"net/http"
	"slices"

	"overdrive/config"
	"overdrive/proxy/admin/dashboard"
	"overdrive/proxy/postgres/pgauth"
)

// showDashboard has / show what runs.
func (h *health) showDashboard(r *running) {
	if h.address == "" {
		return
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	r.board = dashboard.New(dashboard.Options{
		Proxy: r.clients, Logger: r.log.Logger, Version: version, Local: isLocal(h.address), Accounts: accounts(r.cfg),
	})
	h.board.Store(r.board)
}

func (h *health) answerDashboard(w http.ResponseWriter, r *http.Request) {
	board := h.board.Load()
	if board == nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	board.ServeHTTP(w, r)
}

// isLocal says whether an address that we listen on can be reached from this machine only.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// accounts are who may log in to the dashboard: the users of the configuration that have a password, with the roles that they have on the console.
// cfg is one that clients are served by.
func accounts(cfg *config.Config) dashboard.Accounts {
	judge := pgauth.NewAuthenticator(pgauth.Options{})
	known := &users{}
	if read, err := newUsers(cfg); err == nil { // secrets of its own: what is derived of one is kept for one salt
		known = read
	}
	return dashboard.Accounts{Users: len(cfg.Auth.Users) > 0, Check: func(user, password string) dashboard.Role {
		exchange := judge.NewExchange(pgauth.MethodPassword, user, known.secrets[user])
		exchange.Start()
		_, err := exchange.Next(append([]byte(password), 0))
		switch {
		case err != nil || !exchange.Done():
			return dashboard.Nobody
		case slices.Contains(cfg.Admin.Users, user):
			return dashboard.Administrator
		case slices.Contains(cfg.Admin.StatsUsers, user):
			return dashboard.Viewer
		}
		return dashboard.User
	}}
}
