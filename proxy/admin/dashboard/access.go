package dashboard

import (
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// This file says who may see and do what.

// A visitor is who asks.
type visitor struct {
	user string // empty: did not log in
	role Role
}

// seen wraps an answer for those who may see everything.
func (h *Handler) seen(next answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v, ok := h.admit(w, r, !h.near(r)); ok {
			next(w, r, v)
		}
	}
}

// tokenHeader is what the page sends the token in. Pages of others cannot: it makes a browser ask for leave first, which nobody gives.
const tokenHeader = "X-Overdrive-Token"

// acted wraps an answer to those who may see everything, and whose question comes from a page of ours.
func (h *Handler) acted(next answer) http.HandlerFunc {
	return h.fromOurPage(h.seen(func(w http.ResponseWriter, r *http.Request, v visitor) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next(w, r, v)
	}))
}

// fromOurPage refuses what another page, or a form, may have a browser send. It comes before the login, so that it cannot be had to work.
func (h *Handler) fromOurPage(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case err != nil || kind != "application/json":
			refuse(w, http.StatusUnsupportedMediaType, "send application/json")
		case !sameOrigin(r):
			refuse(w, http.StatusForbidden, "the Origin is not this host")
		case subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(h.token)) != 1:
			refuse(w, http.StatusForbidden, "the token is not that of this process: load the page again")
		default:
			next(w, r)
		}
	}
}

// sameOrigin says whether the page that asks was loaded from the host that is asked. Its scheme may be that of something in front which ends TLS.
func sameOrigin(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && (origin.Scheme == "http" || origin.Scheme == "https") && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}

// near says whether the question comes from this machine, and from nobody else through it, so that seeing needs no login.
func (h *Handler) near(r *http.Request) bool {
	if !h.Local {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	return true
}

// isLoopback says whether a Host is a name of this machine alone. Browsers ask nobody what localhost means.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// admit finds out who asks. If they must be able to see everything and are not, or gave a wrong password, it has answered, and returns false.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, mustLogIn bool) (visitor, bool) {
	if h.Local && !isLoopback(r.Host) {
		refuse(w, http.StatusForbidden, "this address has no such name: ask for localhost or 127.0.0.1")
		return visitor{}, false
	}
	user, password, given := r.BasicAuth()
	if !given {
		if mustLogIn {
			challenge(w, "log in")
		}
		return visitor{}, !mustLogIn
	}
	role, tried := h.tries.login(r, h.doors.Load(), user, password)
	switch {
	case !tried:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "too many logins at the same time")
		return visitor{}, false
	case role == Nobody:
		challenge(w, "wrong user or password")
		return visitor{}, false
	case mustLogIn && role < Viewer:
		challenge(w, "this user is neither in admin.users nor in admin.stats_users")
		return visitor{}, false
	}
	return visitor{user, role}, true
}

// challenge has the browser ask for a name and a password.
func challenge(w http.ResponseWriter, why string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Overdrive", charset="UTF-8"`)
	refuse(w, http.StatusUnauthorized, why)
}

// logIn has the browser ask for a name and a password though none is needed for seeing.
func (h *Handler) logIn(w http.ResponseWriter, r *http.Request) {
	v, ok := h.admit(w, r, !h.near(r))
	switch {
	case !ok:
	case v.role == Nobody:
		challenge(w, "log in")
	default:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}
