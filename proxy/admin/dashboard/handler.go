package dashboard

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"overdrive/proxy"
)

// A Proxy is what is shown and acted on. Its methods may be called from any goroutine. Errors of type *proxy.ControlError are shown to whoever
// asked.
type Proxy interface {
	DatabaseNames() []string
	MayUse(database, user string) bool

	Databases() []proxy.DatabaseStatus
	Pools() []proxy.PoolStatus
	Traffic() []proxy.TrafficStatus
	Caches() []proxy.CacheStatus
	Queries(database string) []proxy.QueryStatus

	Explain(ctx context.Context, database, user, sql string, verify bool) (proxy.Explanation, error)
	Purge(ctx context.Context, database string, what proxy.Purge) (purged []string, err error)
}

// Options make a Handler. Proxy, Logger and the Accounts' Check are required.
type Options struct {
	Proxy   Proxy
	Logger  *slog.Logger // is told of purges
	Version string       // of the program
	// Local says that the address can be reached from this machine only.
	Local    bool
	Accounts Accounts
}

// Accounts are who may log in.
type Accounts struct {
	// Check says who somebody is that gives this name and password. It may compute for a while, and is called from a few goroutines at a time.
	Check func(user, password string) Role
	// Users says that there is anybody who could log in, so that purging needs it.
	Users bool
}

// A Role is what somebody may do. Each may do what those before it may.
type Role uint8

// The roles, from the least.
const (
	Nobody        Role = iota // wrong name or password
	User                      // may purge what belongs to the databases that he may use
	Viewer                    // may see everything
	Administrator             // may do everything
)

// A Handler serves the dashboard. It is made by New, and safe for concurrent use.
type Handler struct {
	Options // but for Accounts, which may change
	mux     *http.ServeMux
	token   string // of this process
	doors   atomic.Pointer[door]
	tries   tries
	shared  snapshot
	// looking and acting hold one token for each question that is being answered.
	looking, acting chan struct{}
}

// Bounds of questions.
const (
	maxLooking = 4 // at a time; further ones are told so (503)
	maxActing  = 4
	maxBody    = 64 << 10
	actLimit   = 15 * time.Second // for a server to tell its catalog
)

//go:embed assets
var assets embed.FS

// New returns a Handler for /, its files and /api.
func New(o Options) *Handler {
	h := &Handler{
		Options: o, mux: http.NewServeMux(), token: rand.Text(),
		looking: make(chan struct{}, maxLooking), acting: make(chan struct{}, maxActing),
	}
	h.tries.pause = wrongPause
	h.Reconfigure(o.Accounts)
	h.mux.HandleFunc("GET /{$}", h.seen(file("index.html")))
	h.mux.HandleFunc("GET /dashboard.css", h.seen(file("dashboard.css")))
	h.mux.HandleFunc("GET /dashboard.js", h.seen(file("dashboard.js")))
	h.mux.HandleFunc("GET /login", h.logIn)
	h.mux.HandleFunc("GET /api/now", h.seen(h.answerNow))
	h.mux.HandleFunc("GET /api/queries", h.seen(few(h.looking, h.answerQueries)))
	h.mux.HandleFunc("POST /api/explain", h.acted(few(h.acting, h.explain)))
	h.mux.HandleFunc("POST /api/purge", h.acted(few(h.acting, h.purge)))
	return h
}

// Reconfigure has other accounts count from now on.
func (h *Handler) Reconfigure(a Accounts) { h.doors.Store(newDoor(a)) }

// headers forbid a page everything but its own files, and others to keep or embed it.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cache-Control":                "no-store",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
}

// ServeHTTP is http.Handler's.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	h.mux.ServeHTTP(w, r)
}

// An answer is given to a visitor who may have it.
type answer func(w http.ResponseWriter, r *http.Request, v visitor)

// file answers with one of the assets.
func file(name string) answer {
	return func(w http.ResponseWriter, r *http.Request, _ visitor) {
		http.ServeFileFS(w, r, assets, "assets/"+name)
	}
}

// few has an answer be given to few at a time.
func few(places chan struct{}, next answer) answer {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next(w, r, v)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "too many ask at the same time")
		}
	}
}

// write answers with JSON.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who has gone does not miss it
}

// refuse says why not.
func refuse(w http.ResponseWriter, status int, why string) {
	write(w, status, map[string]string{"error": why})
}
