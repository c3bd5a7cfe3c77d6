package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"overdrive/proxy"
)

// item is one line of an explanation.
type item struct {
	Item  string `json:"item"`
	Value string `json:"value"`
}

// explain says what the cache would do with a statement. It is run by nobody.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request, v visitor) {
	var asked struct{ Database, Statement string }
	if !read(w, r, &asked) {
		return
	}
	user := v.user
	if user == "" { // so there is a user only if the database names one
		user = h.serverUser(asked.Database)
	}
	if user == "" {
		refuse(w, http.StatusForbidden, "log in: every client of this database is a server user of its own")
		return
	}
	ctx, stop := patient(w, r)
	defer stop()
	e, err := h.Proxy.Explain(ctx, asked.Database, user, asked.Statement, false)
	if err != nil {
		failed(w, err)
		return
	}
	write(w, http.StatusOK, map[string][]item{"items": items(&e)})
}

// serverUser is whom every server connection of a database logs in as, or empty.
func (h *Handler) serverUser(name string) string {
	for _, d := range h.Proxy.Databases() {
		if d.Name == name {
			return d.User
		}
	}
	return ""
}

func items(e *proxy.Explanation) (list []item) {
	add := func(name string, values ...string) {
		if value, _ := start(strings.Join(values, ", "), maxText); value != "" {
			list = append(list, item{name, value})
		}
	}
	add("status", e.Status)
	add("reason", e.Reason)
	if e.DryRun {
		add("dry run", "yes: no answer is kept")
	}
	add("server user", e.User)
	add("reads", e.Tables...)
	add("writes", e.Writes...)
	if e.Rule > 0 {
		add("rule", fmt.Sprintf("%d: %s", e.Rule, e.RuleText))
	}
	add("max_age", e.MaxAge.String())
	add("stale_while_revalidate", e.StaleWhileRevalidate.String())
	add("tags", e.Tags...)
	add("ignored in the hint", e.Ignored...)
	for _, s := range e.Settings {
		add("in the key: "+s.Name, s.Value)
	}
	add("in the key, each client's own", e.Needs...)
	if q := e.Query; q != nil && q.Fingerprint != 0 {
		add("fingerprint", hexadecimal(q.Fingerprint))
		add("calls", strconv.FormatInt(q.Calls, 10))
		add("hits", strconv.FormatInt(q.Hits, 10))
		add("entries", strconv.FormatInt(q.Entries, 10))
		if q.Entries > 0 {
			add("age of the youngest", q.Youngest.Round(time.Millisecond).String())
		}
	}
	return list
}

// purge drops answers of a database's cache.
func (h *Handler) purge(w http.ResponseWriter, r *http.Request, v visitor) {
	var asked struct{ Database, Kind, Name string }
	if !read(w, r, &asked) {
		return
	}
	if h.doors.Load().Users && v.role != Administrator {
		switch {
		case v.role == Nobody:
			refuse(w, http.StatusForbidden, "purging needs a login") // for which the page has a link, so that the browser need not ask
			return
		case !h.Proxy.MayUse(asked.Database, v.user):
			refuse(w, http.StatusForbidden, "purging is for users in admin.users, and for those of the database")
			return
		}
	}
	what, err := purgeOf(asked.Kind, asked.Name)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, stop := patient(w, r)
	defer stop()
	purged, err := h.Proxy.Purge(ctx, asked.Database, what)
	if err != nil {
		failed(w, err)
		return
	}
	h.Logger.Info("purge", "user", v.user, "db", asked.Database, "purged", strings.Join(purged, ", "))
	write(w, http.StatusOK, map[string][]string{"purged": slices.Clip(purged)})
}

// purgeOf reads what is to be purged.
func purgeOf(kind, name string) (what proxy.Purge, err error) {
	switch name = strings.TrimSpace(name); {
	case kind == "all":
		what.All = true
	case name == "":
		return what, errors.New("nothing is named that could be purged")
	case kind == "table":
		what.Schema, what.Table = tableName(name)
	case kind == "tag":
		what.Tag = name
	case kind == "query":
		if what.Query, err = strconv.ParseUint(name, 16, 64); err != nil || what.Query == 0 {
			return what, errors.New("this is no fingerprint, which has hexadecimal digits")
		}
	default:
		return what, errors.New("purge a table, a tag, a query, or all")
	}
	return what, nil
}

// tableName reads [schema.]table. A part in double quotes is what it is; others are in lower case, as in SQL.
func tableName(s string) (schema, table string) {
	var parts []string
	for s != "" && len(parts) < 2 {
		part := s
		if rest, quoted := strings.CutPrefix(s, `"`); quoted {
			name, behind, _ := strings.Cut(strings.ReplaceAll(rest, `""`, "\x00"), `"`)
			parts = append(parts, strings.ReplaceAll(name, "\x00", `"`))
			s = strings.TrimPrefix(strings.ReplaceAll(behind, "\x00", `""`), ".")
			continue
		}
		part, s, _ = strings.Cut(s, ".")
		parts = append(parts, strings.ToLower(part))
	}
	if len(parts) < 2 {
		return "", parts[0]
	}
	return parts[0], parts[1]
}

// read reads what was asked; if it cannot, it has answered.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	err := in.Decode(into)
	if err == nil {
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind the JSON")
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "this is too long")
	case err != nil:
		refuse(w, http.StatusBadRequest, "this cannot be read: "+err.Error())
	}
	return err == nil
}

// patient gives an act the time that a database may take for it, of which the server of HTTP has less.
func patient(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	c := http.NewResponseController(w)
	end := time.Now().Add(actLimit + time.Second)
	_ = c.SetReadDeadline(end) // not every writer has one
	_ = c.SetWriteDeadline(end)
	return context.WithTimeout(r.Context(), actLimit)
}

// failed tells of an act that came to nothing.
func failed(w http.ResponseWriter, err error) {
	var told *proxy.ControlError
	if errors.As(err, &told) {
		refuse(w, http.StatusUnprocessableEntity, told.Message)
		return
	}
	refuse(w, http.StatusBadGateway, err.Error())
}
