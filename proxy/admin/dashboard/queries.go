package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"overdrive/proxy"
)

// Bounds of the list of statements.
const (
	maxQueries = 1000
	maxShape   = 300 // characters of a text in the list
	maxText    = 20_000
	maxReason  = 200
	maxFilter  = 400 // bytes: the page takes 100 characters
)

// queries is the list of statements, the foremost by the order that was asked for.
type queries struct {
	Total   int     `json:"total"` // that match the filter
	Queries []query `json:"queries"`
}

// query is what the cache saw of the statements of one shape.
type query struct {
	Database    string  `json:"database"`
	Fingerprint string  `json:"fingerprint"`
	Shape       string  `json:"shape"`
	Cut         bool    `json:"cut"` // there is more of the shape
	Status      string  `json:"status"`
	Reason      string  `json:"reason"`
	Calls       int64   `json:"calls"`
	Hits        int64   `json:"hits"`
	MeanMiss    float64 `json:"meanMiss"` // seconds
	Saved       float64 `json:"saved"`    // seconds: hits, each as long as the mean miss
	Entries     int64   `json:"entries"`
	Bytes       int64   `json:"bytes"`
}

// orders are those that the list can have, each with the foremost first.
var orders = map[string]func(a, b *query) int{
	"calls":  func(a, b *query) int { return cmp.Compare(b.Calls, a.Calls) },
	"saved":  func(a, b *query) int { return cmp.Compare(b.Saved, a.Saved) },
	"miss":   func(a, b *query) int { return cmp.Compare(b.MeanMiss, a.MeanMiss) },
	"ratio":  func(a, b *query) int { return cmp.Compare(b.ratio(), a.ratio()) },
	"status": func(a, b *query) int { return strings.Compare(a.Status, b.Status) },
	"shape":  func(a, b *query) int { return strings.Compare(a.Shape, b.Shape) },
}

func (q *query) ratio() float64 { return float64(q.Hits) / float64(max(q.Calls, 1)) }

// answerQueries lists statements: of one database or all, with a filter, in an order; or the one that has a fingerprint, with more of its text.
func (h *Handler) answerQueries(w http.ResponseWriter, r *http.Request, _ visitor) {
	asked := r.URL.Query()
	order, known := orders[cmp.Or(asked.Get("order"), "calls")]
	filter := strings.ToLower(asked.Get("filter"))
	if !known || len(filter) > maxFilter {
		refuse(w, http.StatusBadRequest, "no such order, or too long a filter")
		return
	}
	names := h.Proxy.DatabaseNames()
	if name := asked.Get("database"); name != "" {
		if !slices.Contains(names, name) {
			refuse(w, http.StatusNotFound, "there is no such database")
			return
		}
		names = []string{name}
	}
	if text := asked.Get("fingerprint"); text != "" {
		h.answerQuery(w, names, text)
		return
	}
	list := h.matching(names, filter)
	ascending := asked.Get("ascending") == "true"
	slices.SortFunc(list, func(a, b query) int {
		by := order(&a, &b)
		if ascending {
			by = -by
		}
		return cmp.Or(by, strings.Compare(a.Fingerprint, b.Fingerprint), strings.Compare(a.Database, b.Database))
	})
	write(w, http.StatusOK, queries{len(list), list[:min(len(list), maxQueries)]})
}

// matching returns the statements that were asked and whose text, status or reason has the filter in it.
func (h *Handler) matching(names []string, filter string) []query {
	list := []query{}
	for _, name := range names {
		for _, q := range h.Proxy.Queries(name) {
			if q.Calls == 0 { // it was explained, and never asked
				continue
			}
			if filter == "" || strings.Contains(strings.ToLower(q.Shape+"\n"+q.Status+"\n"+q.Reason), filter) {
				list = append(list, listed(&q, maxShape))
			}
		}
	}
	return list
}

func (h *Handler) answerQuery(w http.ResponseWriter, names []string, text string) {
	fingerprint, err := strconv.ParseUint(text, 16, 64)
	for _, name := range names {
		for _, q := range h.Proxy.Queries(name) {
			if err == nil && q.Fingerprint == fingerprint {
				write(w, http.StatusOK, listed(&q, maxText))
				return
			}
		}
	}
	refuse(w, http.StatusNotFound, "this statement is forgotten")
}

func listed(q *proxy.QueryStatus, most int) query {
	shape, cut := start(q.Shape, most)
	reason, _ := start(q.Reason, maxReason)
	return query{
		Database: q.Database, Fingerprint: hexadecimal(q.Fingerprint), Shape: shape, Cut: cut, Status: q.Status, Reason: reason,
		Calls: q.Calls, Hits: q.Hits, MeanMiss: q.MeanMiss.Seconds(), Saved: float64(q.Hits) * q.MeanMiss.Seconds(),
		Entries: q.Entries, Bytes: q.Bytes,
	}
}

// hexadecimal writes a fingerprint as rules and PURGE QUERY read it. JavaScript's numbers would not hold it.
func hexadecimal(fingerprint uint64) string { return fmt.Sprintf("%016x", fingerprint) }

// start is the beginning of a text, by characters, and whether there is more.
func start(s string, most int) (string, bool) {
	if len(s) <= most {
		return s, false
	}
	end := 0
	for range most {
		if end >= len(s) {
			return s, false
		}
		_, n := utf8.DecodeRuneInString(s[end:])
		end += n
	}
	return s[:end], end < len(s)
}
