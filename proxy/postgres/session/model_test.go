package session

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/proxytest"
)

// A modelServer is a naive PostgreSQL: it answers by the rules of the protocol chapter and knows a handful of statements.
// It is the yardstick of the randomised tests, so it is written from the manual and not from the proxy.
//
//	begin, commit, rollback                      set|reset x, reset all, show x, discard all, deallocate all
//	select 42, select 'text', select $1          select generate_series(1, n), select 1/0
//	select a from tN, update tN set a = a + 1    copy tN from stdin, copy tN to stdout, copy nosuch …
//	listen c                                     anything else is a syntax error
type modelServer struct {
	db       map[string]int // the tables, shared by all servers of a stage
	reported map[string]string
	home     map[string]string // what RESET returns to
	settings map[string]string
	told     map[string]string // the last ParameterStatus of each

	statements map[string]*modelStatement // the unnamed one under ""
	portals    map[string]*modelPortal
	status     byte
	skipping   bool       // after an error, up to the Sync
	copying    *modelCopy // reads CopyData
	before     *modelUndo // of the transaction that is open, the implicit one too
	in         []byte     // not a whole message yet
	out        []byte     // not flushed yet
	sent       []byte     // flushed
	closed     bool       // by Terminate
	swept      bool       // RESET was executed since the last Sync
	// cancels says whether the message at hand is cancelled; nil: none ever is. What the proxy does on its own account never is.
	cancels func() bool
}

type modelStatement struct {
	sql    string
	params int
}

type modelPortal struct {
	sql   string
	args  []string
	nulls []bool
	rows  []string // left to send; nil before the first Execute
	ran   bool
}

type modelCopy struct {
	table    string
	lines    int
	syncs    int // ignored
	extended bool
}

type modelUndo struct {
	db       map[string]int
	settings map[string]string
}

type modelError struct{ code, message string }

func newModelServer(db map[string]int) *modelServer {
	m := &modelServer{
		db: db, reported: map[string]string{}, settings: map[string]string{}, told: map[string]string{}, status: 'I',
		statements: map[string]*modelStatement{}, portals: map[string]*modelPortal{},
	}
	for name, value := range reportedByTest {
		m.reported[strings.ToLower(name)] = name
		m.settings[strings.ToLower(name)] = value
	}
	m.settings["work_mem"] = "4MB"
	m.settings["statement_timeout"] = "0"
	m.settings["role"] = "none"
	m.settle(nil)
	return m
}

// settle makes startup settings, and what is set now, the values to return to and known to the client.
func (m *modelServer) settle(startup []settings.Setting) {
	for _, it := range startup {
		m.settings[it.Key] = spelled(it.Key, it.Value)
	}
	m.home = maps.Clone(m.settings)
	m.told = maps.Clone(m.settings)
}

// spelled is how the server writes a value.
func spelled(name, value string) string {
	if name == "timezone" {
		return strings.ToUpper(value)
	}
	return value
}

// takes feeds bytes of the client and returns what the server has flushed since.
func (m *modelServer) takes(b []byte) []byte {
	m.in = append(m.in, b...)
	for !m.closed {
		msg, body, typ, ok := cutMessage(m.in)
		if !ok {
			break
		}
		m.in = m.in[len(msg):]
		m.messageOrEnd(typ, body)
	}
	sent := m.sent
	m.sent = nil
	return sent
}

func (m *modelServer) put(messages ...[]byte) { m.out = append(m.out, slices.Concat(messages...)...) }

func (m *modelServer) flush() {
	m.sent = append(m.sent, m.out...)
	m.out = nil
}

// ready reports what changed, and ends a batch.
func (m *modelServer) ready() {
	for _, name := range slices.Sorted(maps.Keys(m.reported)) {
		if m.settings[name] != m.told[name] {
			m.told[name] = m.settings[name]
			m.put(proxytest.ParameterStatus(m.reported[name], m.settings[name]))
		}
	}
	m.put(proxytest.ReadyForQuery(m.status))
	m.flush()
}

// fail reports an error and ends or breaks the transaction.
func (m *modelServer) fail(e *modelError) {
	m.put(pgwire.AppendError(nil, pgwire.ErrorReport{Severity: "ERROR", Code: e.code, Message: e.message}))
	m.flush()
	m.undo()
	clear(m.portals)
	if m.status == 'T' {
		m.status = 'E'
	}
}

func (m *modelServer) undo() {
	if m.before != nil {
		maps.Copy(m.db, m.before.db)
		m.settings = m.before.settings
		m.before = nil
	}
}

// enter opens the implicit transaction of the first statement. Tables are undone by name, for others write others.
func (m *modelServer) enter() {
	if m.before == nil {
		m.before = &modelUndo{db: map[string]int{}, settings: maps.Clone(m.settings)}
	}
}

// leave commits the implicit transaction.
func (m *modelServer) leave() {
	if m.status == 'I' {
		m.before = nil
		clear(m.portals)
	}
}

// messageOrEnd ends the connection over a message that the model cannot read, as a server would.
func (m *modelServer) messageOrEnd(typ byte, body []byte) {
	defer func() {
		if recover() != nil {
			m.put(pgwire.AppendError(nil, pgwire.ErrorReport{Severity: "FATAL", Code: "08P01", Message: "invalid message"}))
			m.flush()
			m.closed = true
		}
	}()
	m.message(typ, body)
}

func (m *modelServer) message(typ byte, body []byte) {
	switch {
	case typ == pgwire.Terminate:
		m.closed = true
		return
	case m.copying != nil:
		m.copyMessage(typ, body)
		return
	case typ == pgwire.CopyData || typ == pgwire.CopyDone || typ == pgwire.CopyFail:
		return
	case m.skipping && typ != pgwire.Sync:
		return
	}
	if m.cancels != nil && m.cancelled(typ, body) {
		return
	}
	var e *modelError
	switch typ {
	case pgwire.Query:
		text, _, _ := pgwire.CutString(body)
		m.query(string(text))
		return
	case pgwire.FunctionCall:
		m.put(pgwire.AppendMessage(nil, pgwire.FunctionCallResponse, []byte{0xff, 0xff, 0xff, 0xff}))
		m.leave()
		m.ready()
		return
	case pgwire.Sync:
		m.skipping, m.swept = false, false
		m.leave()
		m.ready()
		return
	case pgwire.Flush:
		m.flush()
		return
	case pgwire.Parse:
		e = m.parse(body)
	case pgwire.Bind:
		e = m.bind(body)
	case pgwire.Describe:
		e = m.describe(body)
	case pgwire.Execute:
		e = m.execute(body)
	case pgwire.Close:
		m.closeObject(body)
	default:
		panic(fmt.Sprintf("the model does not know message %q", typ))
	}
	if e != nil {
		m.fail(e)
		m.skipping = true
	}
}

// aborted says whether a statement is refused because the transaction has failed.
func (m *modelServer) aborted(sql string) *modelError {
	if m.status != 'E' || sql == "" || sql == "rollback" || sql == "commit" {
		return nil
	}
	return &modelError{"25P02", "current transaction is aborted"}
}

func (m *modelServer) query(text string) {
	delete(m.statements, "")
	delete(m.portals, "")
	any := false
	for sql := range strings.SplitSeq(text, ";") {
		sql = strings.TrimSpace(sql)
		if sql == "" {
			continue
		}
		any = true
		if sql == "ROLLBACK" || sql == "DISCARD ALL" { // the proxy's own
			sql = strings.ToLower(sql)
		}
		e := m.check(sql)
		if e == nil {
			e = m.aborted(sql)
		}
		if e == nil {
			e = m.run(&modelPortal{sql: sql}, 0, true)
		}
		if e != nil {
			m.fail(e)
			m.leave()
			m.ready()
			return
		}
		if m.copying != nil { // the last statement of its text, in these tests
			return
		}
	}
	if !any {
		m.put(pgwire.AppendEmpty(nil, pgwire.EmptyQueryResponse))
	}
	m.leave()
	m.ready()
}

var ourRaise = regexp.MustCompile(`^DO \$\$BEGIN RAISE EXCEPTION '([^']*)' USING ERRCODE = '(.*)'; END\$\$$`)

// errand runs what the proxy itself sends, and says whether p was that.
func (m *modelServer) errand(p *modelPortal) bool {
	var rows [][][]byte
	tag := "SELECT 1"
	switch {
	case p.sql == "SELECT pg_catalog.set_config($1, $2, $3)":
		m.enter()
		name := strings.ToLower(p.args[0])
		if p.nulls[1] {
			m.reset(name)
		} else if p.args[2] == "f" {
			m.set(name, p.args[1])
		}
		rows = [][][]byte{{[]byte(m.settings[name])}}
	case strings.HasPrefix(p.sql, "SELECT pg_catalog.convert_to(pg_catalog.current_setting($1"):
		value, ok := m.settings[strings.ToLower(p.args[0])]
		if rows = [][][]byte{{[]byte(value)}}; !ok {
			rows = [][][]byte{{nil}}
		}
	case p.sql == probeText:
		if _, ok := m.settings[strings.ToLower(p.args[0])]; ok {
			rows = [][][]byte{{[]byte("t")}}
		}
	case strings.Contains(p.sql, "set_config($1, NULL, true)"):
		rows = [][][]byte{{[]byte(m.home[p.args[0]])}}
	case p.sql == patienceText, p.sql == askTimeoutText, p.sql == askPreparedText:
	case p.sql == askStateText:
		row := make([][]byte, len(statePins)+len(namedPins))
		for i := range statePins {
			row[i] = []byte{0}
		}
		row[0][0] = byte(len(m.settings[listens]))
		rows = [][][]byte{row}
	case strings.Contains(p.sql, "pg_catalog.pg_settings"):
		for mark := range m.settings {
			if name, ok := strings.CutPrefix(mark, wasSet); ok {
				rows = append(rows, [][]byte{[]byte(name), []byte(m.settings[name])})
			}
		}
	case p.sql == "DISCARD SEQUENCES", p.sql == "DISCARD TEMP", p.sql == "CLOSE ALL":
		tag = p.sql
	case p.sql == "UNLISTEN *":
		delete(m.settings, listens)
	case p.sql == "SELECT pg_catalog.pg_advisory_unlock_all()", p.sql == "SELECT pg_catalog.setseed($1)":
	case p.sql == leftText:
		tag = "SELECT 0"
	case p.sql == "RESET SESSION AUTHORIZATION":
		tag = "RESET"
	case p.sql == "RESET ALL":
		m.enter()
		m.resetAll()
		tag = "RESET"
	default:
		return false
	}
	for _, row := range rows {
		m.put(proxytest.DataRow(row...))
	}
	m.put(proxytest.CommandComplete(tag))
	return true
}

// wasSet marks among the settings those that were set in the session, as pg_settings.source does.
const wasSet = "set "

func (m *modelServer) set(name, value string) {
	m.settings[name], m.settings[wasSet+name] = spelled(name, value), "t"
}

// listens marks among the settings, which a rollback brings back, too, that the session listens.
const listens = "session listens"

func (m *modelServer) resetAll() {
	listening := m.settings[listens]
	m.settings = maps.Clone(m.home)
	m.settings[listens] = listening
}

func (m *modelServer) reset(name string) {
	m.settings[name] = m.home[name]
	delete(m.settings, wasSet+name)
}

// check is the grammar.
func (m *modelServer) check(sql string) *modelError {
	first, _, _ := strings.Cut(sql, " ")
	if ourRaise.MatchString(sql) {
		return nil
	}
	if slices.Contains([]string{
		"SELECT", "RESET", "DISCARD", "BEGIN", "CLOSE", "UNLISTEN", // the proxy's own
		"", "begin", "commit", "rollback", "set", "reset", "show", "discard", "deallocate", "select", "update", "copy", "listen",
	}, first) {
		return nil
	}
	return &modelError{"42601", "syntax error at or near " + first}
}

func (m *modelServer) parse(body []byte) *modelError {
	name, rest, _ := pgwire.CutString(body)
	text, _, _ := pgwire.CutString(rest)
	sql := strings.TrimSpace(string(text))
	if len(name) == 0 {
		delete(m.statements, "")
	}
	if e := m.check(sql); e != nil {
		return e
	}
	if e := m.aborted(sql); e != nil {
		return e
	}
	m.enter()
	if m.statements[string(name)] != nil {
		return &modelError{"42P05", fmt.Sprintf("prepared statement %q already exists", name)}
	}
	m.statements[string(name)] = &modelStatement{sql: sql, params: strings.Count(ourRaise.ReplaceAllString(sql, ""), "$")}
	m.put(pgwire.AppendEmpty(nil, pgwire.ParseComplete))
	return nil
}

func (m *modelServer) lookup(name string) (*modelStatement, *modelError) {
	if st := m.statements[name]; st != nil {
		return st, nil
	}
	if name == "" {
		return nil, &modelError{"26000", "unnamed prepared statement does not exist"}
	}
	return nil, &modelError{"26000", fmt.Sprintf("prepared statement %q does not exist", name)}
}

func (m *modelServer) bind(body []byte) *modelError {
	portal, name, rest, _ := pgwire.SplitBind(body)
	st, e := m.lookup(string(name))
	if e != nil {
		return e
	}
	formats := int(rest[1])
	rest = rest[2+2*formats:]
	var args []string
	var nulls []bool
	n := int(rest[1])
	rest = rest[2:]
	for range n {
		size := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		if nulls = append(nulls, rest[0] == 0xff); rest[0] == 0xff {
			size = 0
		}
		args = append(args, string(rest[4:4+size]))
		rest = rest[4+size:]
	}
	if len(args) != st.params {
		return &modelError{"08P01", fmt.Sprintf("bind message supplies %d parameters, but the statement requires %d", len(args), st.params)}
	}
	if e := m.aborted(st.sql); e != nil {
		return e
	}
	m.enter()
	if len(portal) > 0 && m.portals[string(portal)] != nil {
		return &modelError{"42P03", fmt.Sprintf("cursor %q already exists", portal)}
	}
	m.portals[string(portal)] = &modelPortal{sql: st.sql, args: args, nulls: nulls}
	m.put(pgwire.AppendEmpty(nil, pgwire.BindComplete))
	return nil
}

func (m *modelServer) describe(body []byte) *modelError {
	what, name, _ := pgwire.SplitTarget(body)
	sql := ""
	if what == pgwire.Statement {
		st, e := m.lookup(string(name))
		if e != nil {
			return e
		}
		sql = st.sql
		if returnsRows(sql) && m.aborted(sql) != nil {
			return m.aborted(sql)
		}
		b := []byte{0, byte(st.params)}
		for range st.params {
			b = append(b, 0, 0, 0, 25)
		}
		m.put(pgwire.AppendMessage(nil, pgwire.ParameterDescription, b))
	} else {
		p := m.portals[string(name)]
		if p == nil {
			return &modelError{"34000", fmt.Sprintf("portal %q does not exist", name)}
		}
		sql = p.sql
		if returnsRows(sql) && m.aborted(sql) != nil {
			return m.aborted(sql)
		}
	}
	if returnsRows(sql) {
		m.put(proxytest.TextRow("a"))
	} else {
		m.put(pgwire.AppendEmpty(nil, pgwire.NoData))
	}
	return nil
}

func (m *modelServer) execute(body []byte) *modelError {
	name, limit, _ := pgwire.SplitExecute(body)
	p := m.portals[string(name)]
	if p == nil {
		return &modelError{"34000", fmt.Sprintf("portal %q does not exist", name)}
	}
	if e := m.aborted(p.sql); e != nil {
		return e
	}
	return m.run(p, int(limit), false)
}

func (m *modelServer) closeObject(body []byte) {
	what, name, _ := pgwire.SplitTarget(body)
	if what == pgwire.Statement {
		delete(m.statements, string(name))
	} else {
		delete(m.portals, string(name))
	}
	m.put(pgwire.AppendEmpty(nil, pgwire.CloseComplete))
}

func returnsRows(sql string) bool {
	return strings.HasPrefix(sql, "select") || strings.HasPrefix(sql, "show")
}

// run runs a portal for up to limit rows, 0 for all.
func (m *modelServer) run(p *modelPortal, limit int, simple bool) *modelError {
	word := strings.Fields(p.sql)
	if len(word) == 0 {
		m.put(pgwire.AppendEmpty(nil, pgwire.EmptyQueryResponse))
		return nil
	}
	if m.errand(p) {
		return nil
	}
	if !returnsRows(p.sql) {
		if p.ran {
			return &modelError{"55000", "portal cannot be run"}
		}
		p.ran = true
		return m.command(p.sql, word, simple)
	}
	m.enter()
	if !p.ran {
		rows, e := m.rows(p, word)
		if e != nil {
			return e
		}
		p.rows, p.ran = rows, true
	}
	if simple {
		m.put(proxytest.TextRow("a"))
	}
	n := len(p.rows)
	if limit > 0 {
		n = min(n, limit)
	}
	for _, v := range p.rows[:n] {
		m.put(proxytest.DataRow([]byte(v)))
	}
	p.rows = p.rows[n:]
	switch {
	case limit > 0 && n == limit:
		m.put(pgwire.AppendEmpty(nil, pgwire.PortalSuspended))
	case word[0] == "show":
		m.put(proxytest.CommandComplete("SHOW"))
	default:
		m.put(proxytest.CommandComplete(fmt.Sprint("SELECT ", n)))
	}
	return nil
}

// rows works out a result.
func (m *modelServer) rows(p *modelPortal, word []string) ([]string, *modelError) {
	switch {
	case word[0] == "show":
		return []string{m.settings[word[1]]}, nil
	case p.sql == "select 1/0":
		return nil, &modelError{"22012", "division by zero"}
	case strings.HasPrefix(p.sql, "select a from "):
		return []string{strconv.Itoa(m.db[word[3]])}, nil
	case word[1] == "$1":
		return p.args[:1], nil
	}
	if n, ok := strings.CutPrefix(p.sql, "select generate_series(1, "); ok {
		count, _ := strconv.Atoi(strings.TrimRight(n, ")"))
		rows := []string{}
		for i := range count {
			rows = append(rows, strconv.Itoa(i+1))
		}
		return rows, nil
	}
	return []string{strings.Trim(strings.TrimPrefix(p.sql, "select "), "'")}, nil
}

// command runs what returns no rows.
func (m *modelServer) command(sql string, word []string, simple bool) *modelError {
	if raise := ourRaise.FindStringSubmatch(sql); raise != nil {
		return &modelError{raise[2], raise[1]}
	}
	tag := strings.ToUpper(word[0])
	m.swept = !simple && word[0] == "reset"
	switch word[0] {
	case "begin", "BEGIN":
		m.enter()
		m.status = 'T'
	case "commit", "rollback":
		if word[0] == "rollback" || m.status == 'E' {
			m.undo()
			tag = "ROLLBACK"
		}
		m.before = nil
		m.status = 'I'
		clear(m.portals)
	case "copy":
		m.enter()
		return m.copy(word, simple)
	case "deallocate":
		if word[1] != "all" {
			if _, e := m.lookup(word[1]); e != nil {
				return e
			}
			delete(m.statements, word[1])
			break
		}
		m.forget()
		tag = "DEALLOCATE ALL"
	case "discard":
		if m.status == 'T' || m.before != nil && len(m.before.db) > 0 {
			return &modelError{"25001", "DISCARD ALL cannot run inside a transaction block"}
		}
		m.settings = maps.Clone(m.home)
		m.forget()
		clear(m.portals)
		m.before = nil
		tag = "DISCARD ALL"
	case "update":
		m.enter()
		m.write(word[1], m.db[word[1]]+1)
		tag = "UPDATE 1"
	case "set":
		m.enter()
		m.set(word[1], strings.Trim(word[3], "'"))
	case "listen":
		m.enter()
		m.settings[listens] = "t"
	case "reset":
		m.enter()
		if word[1] == "all" {
			m.resetAll()
		} else {
			m.reset(word[1])
		}
	}
	m.put(proxytest.CommandComplete(tag))
	return nil
}

// forget drops the prepared statements that have a name.
func (m *modelServer) forget() {
	maps.DeleteFunc(m.statements, func(name string, _ *modelStatement) bool { return name != "" })
}

func (m *modelServer) write(table string, value int) {
	if _, known := m.before.db[table]; !known {
		m.before.db[table] = m.db[table]
	}
	m.db[table] = value
}

func (m *modelServer) copy(word []string, simple bool) *modelError {
	table, direction := word[1], word[2]
	if table == "nosuch" {
		return &modelError{"42P01", "relation nosuch does not exist"}
	}
	if direction == "to" {
		m.put(pgwire.AppendMessage(nil, pgwire.CopyOutResponse, []byte{0, 0, 1, 0, 0}),
			proxytest.CopyData([]byte(strconv.Itoa(m.db[table])+"\n")), proxytest.CopyDone(), proxytest.CommandComplete("COPY 1"))
		return nil
	}
	m.put(pgwire.AppendMessage(nil, pgwire.CopyInResponse, []byte{0, 0, 1, 0, 0}))
	m.flush()
	m.copying = &modelCopy{table: table, extended: !simple}
	return nil
}

// copyMessage is the copy mode: Sync and Flush are ignored in it.
func (m *modelServer) copyMessage(typ byte, body []byte) {
	var e *modelError
	switch typ {
	case pgwire.Sync:
		m.copying.syncs++
		return
	case pgwire.Flush:
		return
	case pgwire.CopyData:
		if !strings.HasPrefix(string(body), "bad") {
			m.copying.lines++
			return
		}
		e = &modelError{"22P02", "invalid input"}
	case pgwire.CopyDone:
		m.write(m.copying.table, m.db[m.copying.table]+m.copying.lines)
		m.put(proxytest.CommandComplete(fmt.Sprint("COPY ", m.copying.lines)))
	case pgwire.CopyFail:
		e = &modelError{"57014", "COPY from stdin failed"}
	default:
		e = &modelError{"08P01", "unexpected message type during COPY from stdin"}
	}
	extended := m.copying.extended
	m.copying = nil
	if e != nil {
		m.fail(e)
		m.skipping = extended
	}
	if !extended {
		m.leave()
		m.ready()
	}
}
