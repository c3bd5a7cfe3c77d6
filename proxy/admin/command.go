package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hbollon/go-edlib"

	"overdrive/proxy"
)

// privilege is what a command asks of its caller.
type privilege string

const (
	anyone    privilege = "any"   // whoever is let in
	ownData   privilege = "own"   // on databases that he may log in to, or admin; to look, stats will do
	statUser  privilege = "stats" // stats or admin
	adminOnly privilege = "admin"
)

// A command is something that the console can be told.
type command struct {
	verb, object string // in lower case
	operands     string // for people
	meaning      string
	privilege    privilege
	columns      []column
	// read takes up what stands behind verb and object; nil: nothing may.
	read func(w *words, st *statement) error
	run  func(c *conn, st *statement) ([][]any, error)
}

// commands are all there are. SHOW HELP lists them in this order. It is no variable, because the commands know it.
func commands() []command {
	return slices.Concat(cacheCommands(), showCommands(), controlCommands())
}

func cacheCommands() []command {
	return []command{
		{"show", "cache", inDatabase, "what became of statements, by database",
			ownData, cacheColumns, readDatabase, (*conn).showCache},
		{"show", "queries", inDatabase, "the same by shape of statement",
			ownData, queryColumns, readDatabase, (*conn).showQueries},
		{"show", "advice", inDatabase, "what would make costly statements cheaper: the cache, an index, or one in place of many",
			ownData, adviceColumns, readDatabase, (*conn).showAdvice},
		{"explain", "cache", "[VERIFY] 'SELECT …' " + inDatabase,
			"would this be cached, for how long, and if not, why; VERIFY asks the server too",
			ownData, explainColumns, readExplain, (*conn).explain},
		{"purge", "table", "[schema.]name " + inDatabase, "drop answers that read the table",
			ownData, purgeColumns, readPurgeTable, (*conn).purge},
		{"purge", "tag", "'tag' " + inDatabase, "drop answers with the tag",
			ownData, purgeColumns, readPurgeTag, (*conn).purge},
		{"purge", "query", "fingerprint " + inDatabase, "drop answers to statements of the shape",
			ownData, purgeColumns, readPurgeQuery, (*conn).purge},
		{"purge", "all", inDatabase, "drop all answers",
			ownData, purgeColumns, readPurgeAll, (*conn).purge},
	}
}

func showCommands() []command {
	show := func(object, meaning string, columns []column, run func(*conn, *statement) ([][]any, error)) command {
		return command{"show", object, "", meaning, statUser, columns, nil, run}
	}
	return []command{
		show("pools", "server connections and those who wait for them, by database and server user", poolColumns, (*conn).showPools),
		show("stats", "counters since the start, and averages, by database", statsColumns, (*conn).showStats),
		show("stats_totals", "the counters alone", totalsColumns, (*conn).showTotalsByDatabase),
		show("stats_averages", "the averages alone", averagesColumns, (*conn).showAverages),
		show("totals", "the same over all databases", sumColumns, (*conn).showTotals),
		show("clients", "clients that are logged in", clientColumns, (*conn).showClients),
		show("servers", "server connections that clients are given", serverColumns, (*conn).showServers),
		show("sockets", "clients and server connections, with the bytes on their way", socketColumns, (*conn).showSockets),
		show("active_sockets", "those of them with bytes on their way", socketColumns, (*conn).showActiveSockets),
		show("databases", "databases of the configuration", databaseColumns, (*conn).showDatabases),
		show("users", "users of the configuration, and whoever else is there", userColumns, (*conn).showUsers),
		show("lists", "how many there are of what", listColumns, (*conn).showLists),
		show("config", "the configuration, without secrets", configColumns, (*conn).showConfig),
		show("mem", "what takes memory", memColumns, (*conn).showMem),
		show("state", "whether databases are paused", stateColumns, (*conn).showState),
		show("peers", "empty: there are none", peerColumns, (*conn).showNothing),
		show("peer_pools", "empty: there are none", peerPoolColumns, (*conn).showNothing),
		show("dns_hosts", "empty: the system looks names up", hostColumns, (*conn).showNothing),
		show("dns_zones", "empty: the system looks names up", zoneColumns, (*conn).showNothing),
		show("fds", "refused: sockets are not handed over", nil, (*conn).showFDs),
		{"show", "version", "", "the version of the program", anyone, versionColumns, nil, (*conn).showVersion},
		{"show", "help", "", "this list", anyone, helpColumns, nil, (*conn).showHelp},
	}
}

func controlCommands() []command {
	control := func(verb, operands, meaning string, read func(*words, *statement) error, run func(*conn, *statement) ([][]any, error)) command {
		return command{verb, "", operands, meaning, adminOnly, nil, read, run}
	}
	return []command{
		control("pause", "[name]", "let clients wait, and close server connections as they are released; waits until none is left",
			readName, awaiting(pause)),
		control("resume", "[name]", "have those who wait go on", readName, on(Proxy.Resume)),
		control("disable", "name", "let no new clients in", readOneName, on(Proxy.Disable)),
		control("enable", "name", "let new clients in again", readOneName, on(Proxy.Enable)),
		control("reconnect", "[name]", "close each server connection when it is next released", readName, on(Proxy.Reconnect)),
		control("wait_close", "[name]", "wait until those are closed", readName, awaiting(waitClose)),
		control("kill", "[name]", "close all clients and server connections at once, and pause", readName, on(Proxy.Kill)),
		control("kill_client", "id", "close one client, by its id in SHOW CLIENTS", readID, (*conn).killClient),
		control("suspend", "", "refused: sockets are not handed over", nil, (*conn).suspend),
		control("shutdown", "[WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]", "end the program: at once, or when nobody holds a server connection any more, or when"+
			" the last client has left", readEnding, (*conn).shutdown),
		control("reload", "", "read the configuration again", nil, (*conn).reload),
		{"set", "", "key = value", "change a key of the configuration until it is read again", anyone, nil, readSet, (*conn).set},
	}
}

// inDatabase ends most commands, since the console itself belongs to no database. IN means the same.
const inDatabase = "[DATABASE name]"

// name writes the command as people do.
func (c *command) name() string { return strings.ToUpper(strings.TrimSpace(c.verb + " " + c.object)) }

// tag is what CommandComplete says.
func (c *command) tag(rows int) string {
	if c.verb == "show" || c.object == "" {
		return strings.ToUpper(c.verb)
	}
	return fmt.Sprintf("%s %d", strings.ToUpper(c.verb), rows)
}

// A statement is a command with its operands.
type statement struct {
	command  *command
	database string // empty: not named
	explain  explainOperands
	purge    purgeOperands
	ending   proxy.Ending
	id       uint64
	setting  settingOperands
}

type settingOperands struct {
	path  []string
	value string
}

// width is the number of columns; a nil statement is the empty one.
func (st *statement) width() int {
	if st == nil {
		return 0
	}
	return len(st.command.columns)
}

// parse reads a text. It returns nil for one that is empty.
func parse(sql string) (*statement, error) {
	w, err := split(sql)
	if err != nil || w.done() {
		return nil, err
	}
	verb, object := w.word(0), w.word(1)
	for _, c := range commands() {
		if c.verb != verb || c.object != object && c.object != "" {
			continue
		}
		w.skip(1)
		if c.object != "" {
			w.skip(1)
		}
		st := &statement{command: &c}
		if c.read != nil {
			if err := c.read(w, st); err != nil {
				return nil, err
			}
		}
		if !w.done() {
			return nil, c.misread(w)
		}
		return st, nil
	}
	return nil, unknown(strings.TrimSpace(verb + " " + object))
}

// misread says what the command wants instead of the next word.
func (c *command) misread(w *words) error {
	want := strings.TrimSpace(c.name() + " " + c.operands)
	if w.done() {
		return fail(codeSyntax, "syntax error at end of input; the command is %s", want)
	}
	return fail(codeSyntax, "syntax error at or near %q; the command is %s", w.near(), want)
}

// unknown names the command that is nearest to what was typed.
func unknown(typed string) error {
	best, least := "", 0
	for _, c := range commands() {
		if d := distance(typed, c.verb+" "+c.object); best == "" || d < least {
			best, least = c.name(), d
		}
	}
	return fail(codeSyntax, "unknown command %q; the nearest is %s, and SHOW HELP lists all", strings.ToUpper(typed), best)
}

// longestCompared bounds the work that a strange command can cause.
const longestCompared = 64

// distance is the number of insertions, deletions and substitutions that turn a into b.
func distance(a, b string) int {
	if len(a) > longestCompared {
		return len(a)
	}
	return edlib.LevenshteinDistance(a, b)
}
