package session

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// This file is the notation of messages in the scripts of testdata/machine, whose README has the grammar.

// A token is a word, a text in quotes, or a list.
type token struct {
	text   string
	quoted bool
	list   []token
	isList bool
}

func (t token) null() bool { return !t.quoted && t.text == "null" }

// tokens cuts a line into its words.
func tokens(line string) (ts []token, err error) {
	for {
		line = strings.TrimLeft(line, " ,")
		switch {
		case line == "" || line[0] == '#':
			return ts, nil
		case line[0] == '"':
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("unfinished text: %s", line)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			ts = append(ts, token{text: text, quoted: true})
			line = line[len(quoted):]
		case line[0] == '[':
			inside, rest, ok := strings.Cut(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("a list lacks its ]: %s", line)
			}
			list, err := tokens(inside)
			if err != nil {
				return nil, err
			}
			ts = append(ts, token{list: list, isList: true})
			line = rest
		default:
			n := strings.IndexAny(line, " ,")
			if n < 0 {
				n = len(line)
			}
			ts = append(ts, token{text: line[:n]})
			line = line[n:]
		}
	}
}

// arguments are the tokens behind the name of a message.
type arguments []token

func (a arguments) text(i int) string {
	if i >= len(a) {
		return ""
	}
	return a[i].text
}

func (a arguments) number(i int) int {
	n, _ := strconv.Atoi(a.text(i))
	return n
}

func (a arguments) ints(i int) (out []int) {
	if i < len(a) {
		for _, t := range a[i].list {
			n, _ := strconv.Atoi(t.text)
			out = append(out, n)
		}
	}
	return out
}

func (a arguments) texts(i int) (out []string) {
	if i < len(a) && a[i].isList {
		a, i = a[i].list, 0
	}
	for ; i < len(a); i++ {
		out = append(out, a[i].text)
	}
	return out
}

func (a arguments) values(i int) (out [][]byte) {
	if i < len(a) && a[i].isList {
		a, i = a[i].list, 0
	}
	for ; i < len(a); i++ {
		if a[i].null() {
			out = append(out, nil)
			continue
		}
		out = append(out, []byte(a[i].text))
	}
	return out
}

func (a arguments) oids(i int) (out []uint32) {
	for _, n := range a.ints(i) {
		out = append(out, uint32(n))
	}
	return out
}

// bothWays makes the messages that either side may send.
func bothWays(name string, a arguments) (b []byte, ok bool) {
	switch name {
	case "CopyData":
		return proxytest.CopyData([]byte(a.text(0))), true
	case "CopyDone":
		return proxytest.CopyDone(), true
	case "raw":
		b, err := hex.DecodeString(strings.Join(a.texts(0), ""))
		return b, err == nil
	case "big": // a message of the given type with so many bytes of body
		return pgwire.AppendMessage(nil, a.text(0)[0], make([]byte, a.number(1))), true
	}
	return nil, false
}

// clientMessage makes a message that a client sends.
func clientMessage(name string, a arguments) (b []byte, ok bool) {
	switch name {
	case "Query":
		return proxytest.Query(a.text(0)), true
	case "Parse":
		return proxytest.Parse(a.text(0), a.text(1), a.oids(2)...), true
	case "Bind":
		var params [][]byte
		if len(a) > 2 {
			params = arguments(a[2].list).values(0)
		}
		return proxytest.Bind(a.text(0), a.text(1), params, a.ints(3), a.ints(4)), true
	case "Describe":
		return proxytest.Describe(a.text(0)[0], a.text(1)), true
	case "Close":
		return proxytest.CloseName(a.text(0)[0], a.text(1)), true
	case "Execute":
		return proxytest.Execute(a.text(0), a.number(1)), true
	case "Sync":
		return proxytest.Sync(), true
	case "Flush":
		return proxytest.Flush(), true
	case "Terminate":
		return proxytest.Terminate(), true
	case "CopyFail":
		return proxytest.CopyFail(a.text(0)), true
	case "Settings":
		return settingsErrand(a.texts(0)), true
	case "Asks":
		return asksErrand(a.texts(0)), true
	case "Probes":
		return probesErrand(a.texts(0)), true
	case "DiscardSequences":
		return slices.Concat(proxytest.Parse("", "DISCARD SEQUENCES"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()), true
	case "Runs": // statements of ours, as one batch
		for _, sql := range a.texts(0) {
			if sql == "closing" {
				b = append(b, proxytest.CloseName('P', "")...)
				continue
			}
			b = slices.Concat(b, proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0))
		}
		return append(b, proxytest.Sync()...), true
	case "FunctionCall": // with an OID and no arguments
		oid := a.number(0)
		return pgwire.AppendMessage(nil, pgwire.FunctionCall, []byte{0, 0, byte(oid >> 8), byte(oid), 0, 0, 0, 0, 0, 0}), true
	}
	return bothWays(name, a)
}

// serverMessage makes a message that a server sends.
func serverMessage(name string, a arguments) (b []byte, ok bool) {
	switch name {
	case "ReadyForQuery":
		return proxytest.ReadyForQuery(a.text(0)[0]), true
	case "CommandComplete":
		return proxytest.CommandComplete(a.text(0)), true
	case "RowDescription":
		return proxytest.TextRow(a.texts(0)...), true
	case "DataRow":
		return proxytest.DataRow(a.values(0)...), true
	case "ErrorResponse":
		return pgwire.AppendError(nil, pgwire.ErrorReport{Severity: a.text(0), Code: a.text(1), Message: a.text(2)}), true
	case "NoticeResponse":
		b := pgwire.AppendError(nil, pgwire.ErrorReport{Severity: a.text(0), Code: a.text(1), Message: a.text(2)})
		b[0] = pgwire.NoticeResponse
		return b, true
	case "ParameterStatus":
		return proxytest.ParameterStatus(a.text(0), a.text(1)), true
	case "ParameterDescription":
		body := []byte{byte(len(a.ints(0)) >> 8), byte(len(a.ints(0)))}
		for _, oid := range a.ints(0) {
			body = append(body, byte(oid>>24), byte(oid>>16), byte(oid>>8), byte(oid))
		}
		return pgwire.AppendMessage(nil, pgwire.ParameterDescription, body), true
	case "NotificationResponse":
		pid := byte(max(a.number(2), 1))
		body := append([]byte{0, 0, 0, pid}, a.text(0)+"\x00"+a.text(1)+"\x00"...)
		return pgwire.AppendMessage(nil, pgwire.NotificationResponse, body), true
	case "CopyInResponse":
		return pgwire.AppendMessage(nil, pgwire.CopyInResponse, []byte{0, 0, 1, 0, 0}), true
	case "CopyOutResponse":
		return pgwire.AppendMessage(nil, pgwire.CopyOutResponse, []byte{0, 0, 1, 0, 0}), true
	case "FunctionCallResponse":
		return pgwire.AppendMessage(nil, pgwire.FunctionCallResponse, []byte{0xff, 0xff, 0xff, 0xff}), true
	}
	if typ, found := bare[name]; found {
		return pgwire.AppendEmpty(nil, typ), true
	}
	return bothWays(name, a)
}

// bare are the server's messages without a body.
var bare = map[string]byte{
	"ParseComplete": pgwire.ParseComplete, "BindComplete": pgwire.BindComplete, "CloseComplete": pgwire.CloseComplete,
	"NoData": pgwire.NoData, "EmptyQueryResponse": pgwire.EmptyQueryResponse, "PortalSuspended": pgwire.PortalSuspended,
}

// show renders a stream of messages for people.
func show(b []byte) string {
	var lines []string
	for len(b) > 0 {
		h, ok, err := pgwire.PeekHeader(b, 1<<30)
		if !ok || err != nil || len(b) < h.Total() {
			lines = append(lines, fmt.Sprintf("(incomplete) %q", b))
			break
		}
		body := b[pgwire.HeaderLen:h.Total()]
		if len(body) > 200 {
			body = body[:200]
		}
		lines = append(lines, fmt.Sprintf("%c %q", h.Type, body))
		b = b[h.Total():]
	}
	if len(lines) == 0 {
		return "nothing"
	}
	return strings.Join(lines, "\n\t")
}

// like says whether two streams of messages are equal. Where want has an ErrorResponse without a text, any text will do.
func like(got, want []byte) bool {
	for len(want) > 0 {
		g, okG, errG := pgwire.PeekHeader(got, 1<<30)
		w, okW, errW := pgwire.PeekHeader(want, 1<<30)
		if !okG || !okW || errG != nil || errW != nil || len(got) < g.Total() || len(want) < w.Total() {
			return string(got) == string(want)
		}
		one, other := got[:g.Total()], want[:w.Total()]
		got, want = got[g.Total():], want[w.Total():]
		if w.Type == pgwire.ErrorResponse && g.Type == w.Type {
			rg, rw := pgwire.ReadError(one[pgwire.HeaderLen:]), pgwire.ReadError(other[pgwire.HeaderLen:])
			if rw.Message == "" && rg.Severity == rw.Severity && rg.Code == rw.Code {
				continue
			}
		}
		if string(one) != string(other) {
			return false
		}
	}
	return len(got) == 0
}

// settingsErrand is how the proxy gives a server settings: name=value sets one, a name alone brings one back, and the word
// "wash" in front brings all back, "wash-all" asks for prepared statements, too, "patiently" takes the statement_timeout out of the way, and
// "closing" at the end closes the portal, which would stay in a transaction.
func settingsErrand(words []string) (b []byte) {
	run := func(values ...[]byte) {
		b = append(b, proxytest.Bind("", "", values, nil, []int{1})...)
		b = append(b, proxytest.Execute("", 0)...)
	}
	parsed, asks := false, false
	for _, word := range words {
		if word == "wash" || word == "wash-all" {
			asks = word == "wash-all"
			for _, sql := range []string{
				"RESET SESSION AUTHORIZATION", "RESET ALL", "DISCARD SEQUENCES", "CLOSE ALL", "UNLISTEN *", "SELECT pg_catalog.pg_advisory_unlock_all()", "DISCARD TEMP",
			} {
				b = append(b, proxytest.Parse("", sql)...)
				b = append(b, proxytest.Bind("", "", nil, nil, nil)...)
				b = append(b, proxytest.Execute("", 0)...)
			}
			b = append(b, proxytest.Parse("", "SELECT pg_catalog.setseed($1)", 701)...)
			run([]byte("0.5"))
			continue
		}
		if word == "closing" {
			b = append(b, proxytest.CloseName('P', "")...)
			continue
		}
		if !parsed || word == "patiently" {
			b = append(b, proxytest.Parse("", "SELECT pg_catalog.set_config($1, $2, $3)", 25, 25, 16)...)
		}
		name, value, set := strings.Cut(word, "=")
		switch parsed = word != "patiently"; {
		case !parsed:
			run([]byte("statement_timeout"), []byte("0"), []byte("t"))
		case set:
			run([]byte(name), []byte(value), []byte("f"))
		default:
			run([]byte(name), nil, []byte("f"))
		}
	}
	if asks {
		b = append(b, proxytest.Parse("", leftText)...)
		run()
	}
	return append(b, proxytest.Sync()...)
}

// probesErrand is how the proxy asks a server whether somebody has set parameters of the user's own; "closing" is for transactions.
func probesErrand(names []string) []byte {
	b := proxytest.Parse("", probeText, 25)
	for _, name := range names {
		if name == "closing" {
			b = append(b, proxytest.CloseName('P', "")...)
			continue
		}
		b = append(b, proxytest.Bind("", "", [][]byte{[]byte(name)}, nil, []int{1})...)
		b = append(b, proxytest.Execute("", 0)...)
	}
	return append(b, proxytest.Sync()...)
}

// asksErrand is how the proxy asks a server for settings, by name; the word "all" asks for what was set in the session.
func asksErrand(words []string) (b []byte) {
	const inServerBytes = "pg_catalog.convert_to(%s, pg_catalog.getdatabaseencoding())"
	ask := proxytest.Parse("", "SELECT "+fmt.Sprintf(inServerBytes, "pg_catalog.current_setting($1, true)"), 25)
	switch words[0] {
	case "patiently", "timeout", "prepared", "state", "locks", "all":
	default:
		b = append(b, ask...)
	}
	others := ""
	for _, word := range words {
		var values [][]byte
		if sql := map[string]string{"timeout": askTimeoutText, "patiently": patienceText, "prepared": askPreparedText}[word]; sql != "" {
			b = append(b, proxytest.Parse("", sql)...)
			b = append(b, proxytest.Bind("", "", nil, nil, []int{1})...)
			b = append(b, proxytest.Execute("", 0)...)
			if word == "patiently" {
				b, others = append(b, ask...), " AND s.name OPERATOR(pg_catalog.<>) 'statement_timeout'"
			}
			continue
		}
		if which := map[string]string{"state": "f", "locks": "t"}[word]; which != "" { // without session locks, or with them
			b = append(b, proxytest.Parse("", askStateText, 16)...)
			b = append(b, proxytest.Bind("", "", [][]byte{[]byte(which)}, nil, []int{1})...)
			b = append(b, proxytest.Execute("", 0)...)
			continue
		}
		if word == "all" {
			b = append(b, proxytest.Parse("", "SELECT "+fmt.Sprintf(inServerBytes, "s.name")+", "+
				"CASE WHEN s.context OPERATOR(pg_catalog.<>) 'superuser' OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'"+
				" THEN "+fmt.Sprintf(inServerBytes, "pg_catalog.current_setting(s.name)")+" END"+
				" FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'"+others)...)
		} else {
			values = [][]byte{[]byte(word)}
		}
		b = append(b, proxytest.Bind("", "", values, nil, []int{1})...)
		b = append(b, proxytest.Execute("", 0)...)
	}
	return append(b, proxytest.Sync()...)
}

func cutSync(b []byte) []byte { return b[:len(b)-len(proxytest.Sync())] }
