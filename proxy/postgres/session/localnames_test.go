package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// Tables of namesCatalog, of which each schema has one that is called t.
const (
	publicT = 20000 + iota
	appT
	otherT
)

// namesCatalog is what somebody sees of three schemas.
func namesCatalog(path, role string) *classify.Catalog {
	results, err := classify.AskCatalog(func(string) ([][]string, error) { return nil, nil })
	if err != nil {
		panic(err)
	}
	results[0] = [][]string{{"f", "f", "f", "", "f"}}
	usage := map[string]bool{}
	for i, schema := range []string{"public", "app", "other"} {
		usage[schema] = role != "poor" || schema == "public"
		results[1] = append(results[1], []string{fmt.Sprint(publicT + i), schema, "t", "r", "p", "f", "f", "f", "10", "f"})
	}
	results[5] = [][]string{{"2078", "set_config", "pg_catalog", "t", "3", "3", "v", "25 25 16", "25 25 16", "f", "", "25"}}
	results[9] = [][]string{{"25", "pg_catalog", "text", "t", "f"}, {"23", "pg_catalog", "int4", "t", "f"}}
	all, err := classify.NewInventory(results)
	if err != nil {
		panic(err)
	}
	c, ok := all.Seen(path, &classify.Rights{Role: role, Usage: usage})
	if !ok {
		panic(path)
	}
	return c
}

// seesNames gives the lenses of the stage their catalogs, as a keeper does.
func (st *stage) seesNames(keys ...LensKey) {
	for _, key := range append(keys, LensKey{}) {
		path, role := key.Path, key.Role
		if path == "" {
			path = "public"
		}
		l := st.identity.LensOf(key)
		l.Classifier.SetCatalog(namesCatalog(path, role), l.Classifier.Generation())
	}
}

// wrote tells what the server connections of the stage are marked to write: nothing, everything or the schemas of the tables.
func (st *stage) wrote() string {
	var all []string
	for _, v := range st.servers {
		for _, m := range v.conn.marks.open {
			if m.write == nil {
				continue
			}
			for id, name := range map[verdict.RelationID]string{publicT: "public", appT: "app", otherT: "other"} {
				if m.write.Covers(id) {
					all = append(all, name)
				}
			}
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 3 {
		return "everything"
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, " ")
}

// A speech is what the client says and what the server answers.
type speech struct{ says, answers []byte }

func over(status byte, tags ...string) (b []byte) {
	for _, tag := range tags {
		b = append(b, proxytest.CommandComplete(tag)...)
	}
	return append(b, proxytest.ReadyForQuery(status)...)
}

// asksSimply is a simple Query in a transaction.
func asksSimply(sql string) speech {
	tag := strings.ToUpper(strings.Fields(sql)[0])
	if tag == "SELECT" {
		return speech{proxytest.Query(sql), says(proxytest.TextRow("a"), proxytest.DataRow([]byte("1")), over('T', "SELECT 1"))}
	}
	return speech{proxytest.Query(sql), over('T', tag)}
}

// failsSimply is a simple Query that fails in its transaction.
func failsSimply(sql string) speech {
	return speech{proxytest.Query(sql), says(errorWith(), proxytest.ReadyForQuery('E'))}
}

var parseBindComplete = []byte("1\x00\x00\x00\x042\x00\x00\x00\x04")

// unitOf is a statement of the extended protocol without Sync.
func unitOf(sql string, values ...string) []byte {
	var bound [][]byte
	for _, v := range values {
		bound = append(bound, []byte(v))
	}
	return says(proxytest.Parse("", sql), proxytest.Bind("", "", bound, nil, nil), proxytest.Execute("", 0))
}

// asksExtended is a statement of the extended protocol in a transaction.
func asksExtended(sql string, values ...string) speech {
	return speech{says(unitOf(sql, values...), proxytest.Sync()), says(parseBindComplete, over('T', strings.ToUpper(strings.Fields(sql)[0])))}
}

const insert = "insert into t values (1)"

// inBlock begins a transaction, says what is given, and an INSERT that is not answered yet.
func inBlock(speeches ...speech) []speech {
	speeches = append([]speech{asksSimply("begin")}, speeches...)
	return append(speeches, speech{says: proxytest.Query(insert)})
}

func merely(says ...[]byte) speech { return speech{says: bytesOf(says)} }

func bytesOf(all [][]byte) (b []byte) {
	for _, one := range all {
		b = append(b, one...)
	}
	return b
}

var localNameCases = map[string]struct {
	speeches []speech
	wrote    string
}{
	"nothing is set":                   {inBlock(), "public"},
	"SET LOCAL search_path":            {inBlock(asksSimply("set local search_path = app")), "app"},
	"with TO and a string":             {inBlock(asksSimply("SET LOCAL Search_Path TO 'app'")), "app"},
	"of several schemas":               {inBlock(asksSimply(`set local search_path to nosuch, "app", 'other'`)), "app"},
	"SET LOCAL SCHEMA":                 {inBlock(asksSimply("set local schema 'app'")), "app"},
	"to DEFAULT":                       {inBlock(asksSimply("set local search_path = app"), asksSimply("set local search_path to default")), "public"},
	"one behind another":               {inBlock(asksSimply("set local search_path = app"), asksSimply("set local search_path = other")), "other"},
	"beside another parameter":         {inBlock(asksSimply("set local search_path = app"), asksSimply("set local statement_timeout = 100")), "app"},
	"in the extended protocol":         {inBlock(asksExtended("set local search_path = app")), "app"},
	"SET LOCAL ROLE":                   {inBlock(asksSimply("set local search_path = app, public"), asksSimply("set local role poor")), "public"},
	"SET LOCAL role TO":                {inBlock(asksSimply("set local role to 'poor'"), asksSimply("set local search_path = app, public")), "public"},
	"role NONE":                        {inBlock(asksSimply("set local search_path = app, public"), asksSimply("set local role poor"), asksSimply("set local role none")), "app"},
	"role TO DEFAULT":                  {inBlock(asksSimply("set local search_path = app, public"), asksSimply("set local role poor"), asksSimply("set local role to default")), "app"},
	"set_config":                       {inBlock(asksSimply("select set_config('search_path', 'app', true)")), "app"},
	"set_config of several":            {inBlock(asksSimply(`select set_config('search_path', '"app", "public"', true), set_config('role', 'rich', true), set_config('app.x', 'y', true)`)), "app"},
	"set_config with a label":          {inBlock(asksSimply("select pg_catalog.set_config('search_path'::text, 'app', true) as path")), "app"},
	"set_config to NULL":               {inBlock(asksSimply("set local search_path = app"), asksSimply("select set_config('search_path', null, true)")), "public"},
	"set_config by parameters":         {inBlock(asksExtended("select set_config('search_path', $1, true), set_config($2, $3, true)", "app", "request.jwt", "{}")), "app"},
	"the name, too":                    {inBlock(asksExtended("select set_config($1, $2::text, true)", "Search_Path", "app")), "app"},
	"several texts in one":             {inBlock(asksSimply("select set_config('app.x', 'y', true); set local search_path = app; set local role rich")), "app"},
	"by a name of the statement":       {inBlock(speech{says(proxytest.Parse("s", "select set_config('search_path', $1, true)"), proxytest.Bind("", "s", [][]byte{[]byte("app")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()), says(parseBindComplete, over('T', "SELECT 1"))}), "app"},
	"bound twice":                      {inBlock(speech{says(proxytest.Parse("", "select set_config('search_path', $1, true)"), proxytest.Bind("", "", [][]byte{[]byte("other")}, nil, nil), proxytest.Bind("", "", [][]byte{[]byte("app")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()), says(parseBindComplete, []byte("2\x00\x00\x00\x04"), over('T', "SELECT 1"))}), "app"},
	"a read writes nothing":            {append(inBlock(asksSimply("set local search_path = app"))[:2], merely(proxytest.Query("select a from t"))), "nothing"},
	"it writes nothing itself":         {append(inBlock()[:1], merely(proxytest.Query("select set_config('search_path', 'app', true), set_config('role', 'rich', true)"))), "nothing"},
	"nor by parameters":                {append(inBlock()[:1], merely(unitOf("select set_config($1, $2, true)", "role", "rich"))), "nothing"},
	"a savepoint and its release":      {inBlock(asksSimply("savepoint s"), asksSimply("set local search_path = app"), asksSimply("release s")), "app"},
	"behind a savepoint that was left": {inBlock(asksSimply("savepoint s"), asksSimply("rollback to s"), asksSimply("set local search_path = app")), "app"},
	"the next transaction": {append(inBlock(asksSimply("set local search_path = app"))[:2],
		append([]speech{{proxytest.Query("commit"), over('I', "COMMIT")}}, inBlock()...)...), "public"},
	"the next transaction behind a rollback": {append(inBlock(asksSimply("set local search_path = app"))[:2],
		append([]speech{{proxytest.Query("rollback"), over('I', "ROLLBACK")}}, inBlock(asksSimply("set local search_path = other"))...)...), "other"},
	"a BEGIN in its batch":              {[]speech{merely(unitOf("begin"), unitOf("set local search_path = app"), unitOf(insert), proxytest.Sync())}, "app"},
	"in the batch behind a known block": {[]speech{asksSimply("begin"), merely(unitOf("select set_config('search_path', $1, true)", "app"), unitOf(insert), proxytest.Sync())}, "app"},
	"pipelined in a known block":        {[]speech{asksSimply("begin"), merely(proxytest.Query("set local search_path = app"), proxytest.Query(insert))}, "app"},
	"a BEGIN in the batch before, that was answered": {[]speech{{says(unitOf("begin"), unitOf("set local search_path = app"), proxytest.Sync()), says(parseBindComplete, proxytest.CommandComplete("BEGIN"), parseBindComplete, over('T', "SET"))},
		merely(proxytest.Query(insert))}, "app"},

	// What is not known.
	"bound twice, and not known at last": {inBlock(speech{says(proxytest.Parse("", "select set_config('search_path', $1, true)"), proxytest.Bind("", "", [][]byte{[]byte("app")}, nil, nil), proxytest.Bind("", "", [][]byte{[]byte("other")}, []int{1}, nil), proxytest.Execute("", 0), proxytest.Sync()), says(parseBindComplete, []byte("2\x00\x00\x00\x04"), over('T', "SELECT 1"))}), "everything"},
	"ROLLBACK TO":                        {inBlock(asksSimply("savepoint s"), asksSimply("set local search_path = app"), asksSimply("rollback to s")), "everything"},
	"ROLLBACK TO behind it":              {inBlock(asksSimply("set local search_path = app"), asksSimply("savepoint s"), asksSimply("rollback to s")), "everything"},
	"an error, and back":                 {inBlock(asksSimply("savepoint s"), failsSimply("set local role nosuch"), asksSimply("rollback to s")), "everything"},
	"an error, and back, at once":        {[]speech{asksSimply("begin"), merely(proxytest.Query("savepoint s"), proxytest.Query("set local role rich"), proxytest.Query("rollback to s"), proxytest.Query(insert))}, "everything"},
	"an error that nobody leaves":        {inBlock(asksSimply("set local search_path = app"), speech{proxytest.Query("select 1"), says(errorWith(), proxytest.ReadyForQuery('T'))}), "everything"},
	"COMMIT AND CHAIN":                   {inBlock(asksSimply("set local search_path = app"), asksSimply("commit and chain")), "everything"},
	"COMMIT, pipelined":                  {[]speech{asksSimply("begin"), asksSimply("set local search_path = app"), merely(proxytest.Query("commit"), proxytest.Query(insert))}, "everything"},
	"COMMIT before it, pipelined":        {[]speech{asksSimply("begin"), merely(proxytest.Query("commit"), proxytest.Query("set local search_path = app"), proxytest.Query(insert))}, "everything"},
	"no block":                           {[]speech{merely(proxytest.Query("set local search_path = app"), proxytest.Query(insert))}, "everything"},
	"no block, in one batch":             {[]speech{merely(unitOf("set local search_path = app"), unitOf(insert), proxytest.Sync())}, "everything"},
	"BEGIN, pipelined":                   {[]speech{merely(proxytest.Query("begin"), proxytest.Query("set local search_path = app"), proxytest.Query(insert))}, "everything"},
	"a BEGIN in the batch before":        {[]speech{merely(unitOf("begin"), unitOf("set local search_path = app"), proxytest.Sync(), unitOf(insert), proxytest.Sync())}, "everything"},
	"a BEGIN that may fail":              {[]speech{merely(unitOf("begin isolation level serializable"), unitOf("set local search_path = app"), unitOf(insert), proxytest.Sync())}, "everything"},
	"two batches with a BEGIN":           {[]speech{merely(unitOf("begin"), unitOf("set local search_path = app"), proxytest.Sync(), unitOf("begin"), unitOf("set local role rich"), unitOf(insert), proxytest.Sync())}, "everything"},
	"an expression":                      {inBlock(asksSimply("select set_config('search_path', 'a' || 'pp', true)")), "everything"},
	"a name that is an expression":       {inBlock(asksSimply("select set_config('search' || '_path', 'app', true)")), "everything"},
	"true in other words":                {inBlock(asksSimply("select set_config('search_path', 'app', 't')")), "everything"},
	"with rows":                          {inBlock(asksSimply("select set_config('search_path', 'app', true) from t")), "everything"},
	"with a condition":                   {inBlock(asksSimply("select set_config('search_path', 'app', true) where false")), "everything"},
	"escapes":                            {inBlock(asksSimply(`select set_config('search_path', E'\x61pp', true)`)), "everything"},
	"row_security":                       {inBlock(asksSimply("set local row_security = off")), "everything"},
	"session_authorization":              {inBlock(asksSimply("set local session authorization rich")), "everything"},
	"row_security by a parameter":        {inBlock(asksExtended("select set_config($1, $2, true)", "row_security", "off")), "everything"},
	"an encoding by a parameter":         {inBlock(asksExtended("select set_config($1, $2, true)", "client_encoding", "SJIS")), "everything"},
	"letters beyond ASCII":               {inBlock(asksSimply(`set local search_path = "äpp"`)), "everything"},
	"a name that the server cuts":        {inBlock(asksSimply("set local role " + strings.Repeat("r", 64))), "everything"},
	"temporary objects":                  {inBlock(asksSimply("set local search_path = pg_temp, app")), "everything"},
	"an empty path":                      {inBlock(asksSimply("select set_config('search_path', '', true)")), "everything"},
	"a path that is not understood":      {inBlock(asksSimply("select set_config('search_path', 'app,', true)")), "everything"},
	"binary":                             {inBlock(speech{says(proxytest.Parse("", "select set_config('search_path', $1, true)"), proxytest.Bind("", "", [][]byte{[]byte("app")}, []int{1}, nil), proxytest.Execute("", 0), proxytest.Sync()), says(parseBindComplete, over('T', "SELECT 1"))}), "everything"},
	"a type with blanks":                 {inBlock(speech{says(proxytest.Parse("", "select set_config('search_path', $1, true)", 1042), proxytest.Bind("", "", [][]byte{[]byte("app")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()), says(parseBindComplete, over('T', "SELECT 1"))}), "everything"},
	"a portal with a name":               {inBlock(speech{says(proxytest.Parse("", "set local search_path = app"), proxytest.Bind("p", "", nil, nil, nil), proxytest.Execute("p", 0), proxytest.Sync()), says(parseBindComplete, over('T', "SET"))}), "everything"},
	"behind a portal with a name":        {inBlock(speech{says(proxytest.Parse("", "select a from t"), proxytest.Bind("p", "", nil, nil, nil), proxytest.Sync()), says(parseBindComplete, over('T'))}, asksExtended("set local search_path = app")), "everything"},
	"a RESET":                            {inBlock(asksSimply("set local search_path = app"), asksSimply("reset search_path")), "everything"},
	"a SET for the session":              {inBlock(asksSimply("set local search_path = app"), asksSimply("set search_path = other")), "everything"},
	"code":                               {inBlock(asksSimply("set local search_path = app"), asksSimply("do 'begin end'")), "everything"},
	"in the same text":                   {append(inBlock()[:1], merely(proxytest.Query("set local search_path = app; "+insert))), "everything"},
	"a call behind another path":         {append(inBlock()[:1], merely(proxytest.Query("set local search_path = app; select set_config('app.x', 'y', true)"))), "everything"},
	"COMMIT in the same text":            {append(inBlock(asksSimply("set local search_path = app"))[:2], merely(proxytest.Query("commit; "+insert))), "everything"},
	"RESET in the same text":             {append(inBlock(asksSimply("set local search_path = app"))[:2], merely(proxytest.Query("reset search_path; "+insert))), "everything"},
	"a schema of an unknown lens":        {inBlock(asksSimply("set local search_path = nobody")), "everything"},
}

func TestLocalNames_WhatATransactionWritesIsWhatItsNamesMean(t *testing.T) {
	for name, tt := range localNameCases {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			st.seesNames(LensKey{Path: "app"}, LensKey{Path: "other"}, LensKey{Path: "nosuch, app, other"}, LensKey{Path: "app, public"}, LensKey{Role: "poor"}, LensKey{Role: "rich"},
				LensKey{"app, public", "poor"}, LensKey{"app, public", "rich"}, LensKey{"app, public", "none"}, LensKey{"app", "rich"})
			c := st.connect("client")
			for _, speech := range tt.speeches {
				c.sends(speech.says)
				if len(speech.answers) > 0 {
					st.servers[0].sends(speech.answers)
				}
			}
			if got := st.wrote(); got != tt.wrote {
				t.Errorf("it writes %s, want %s", got, tt.wrote)
			}
		})
	}
}

func TestLocalNames_NothingOfTheTransactionIsServedOrKept(t *testing.T) {
	st := newStage(t, setup{cache: true})
	st.seesNames(LensKey{Path: "app"})
	c := st.connect("client")
	row := func(value string, status byte) []byte {
		return says(proxytest.TextRow("a"), proxytest.DataRow([]byte(value)), over(status, "SELECT 1"))
	}
	reads := func(answer []byte, want string) {
		t.Helper()
		c.sends(proxytest.Query("select a from t"))
		if len(answer) > 0 {
			st.servers[0].sends(answer)
		}
		if got, _ := c.session.value(ownStatus); got != want {
			t.Errorf("a read is %s, want %s", got, want)
		}
	}
	reads(row("1", 'I'), "miss")
	reads(nil, "hit")
	for _, one := range inBlock(asksSimply("set local search_path = app"))[:2] {
		c.sends(one.says)
		st.servers[0].sends(one.answers)
	}
	reads(row("2", 'T'), "transaction")
	c.sends(proxytest.Query("commit"))
	st.servers[0].sends(over('I', "COMMIT"))
	c.peer.got = nil
	reads(nil, "hit")
	if want := row("1", 'I'); string(c.peer.got) != string(want) {
		t.Errorf("got %q, want %q", c.peer.got, want)
	}
}

func TestLocalNames_TransactionsThatSetTheSameShareALens(t *testing.T) {
	st := newStage(t, setup{cache: true})
	st.seesNames(LensKey{Path: "app, public"})
	c := st.connect("client")
	run := func(sets string) *Lens {
		t.Helper()
		for _, one := range inBlock(asksSimply(sets))[:2] {
			c.sends(one.says)
			st.servers[0].sends(one.answers)
		}
		l := c.session.localLens()
		c.sends(proxytest.Query("rollback"))
		st.servers[0].sends(over('I', "ROLLBACK"))
		return l
	}
	first := run("set local search_path = app, public")
	if first == nil || first == st.identity.Usual || run(`select set_config('search_path', '"app","public"', true)`) != first {
		t.Error("the same path has another lens")
	}
	if l, sure := c.session.lensNow(); l != st.identity.Usual || !sure {
		t.Error("the session has the lens of its transaction still")
	}
	lensesOf(st.identity, MaxLenses-1)
	st.seesNames()
	if run("set local search_path = other") != nil {
		t.Error("a transaction has a lens that there is no room for")
	}
	if run("set local search_path = app, public") != first {
		t.Error("a lens that was in use has gone")
	}
}
