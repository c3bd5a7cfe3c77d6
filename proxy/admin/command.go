package admin

import (
	"fmt"
	"strings"

	"github.com/hbollon/go-edlib"
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
		{"show", "pools", "", "server connections and those who wait for them, by database and server user",
			statUser, poolColumns, nil, (*conn).showPools},
		{"show", "stats", "", "counters since the start, by database", statUser, statsColumns, nil, (*conn).showStats},
		{"show", "clients", "", "clients that are logged in", statUser, clientColumns, nil, (*conn).showClients},
		{"show", "databases", "", "databases of the configuration", statUser, databaseColumns, nil, (*conn).showDatabases},
		{"show", "lists", "", "how many there are of what", statUser, listColumns, nil, (*conn).showLists},
		{"show", "config", "", "the configuration, without secrets", statUser, configColumns, nil, (*conn).showConfig},
		{"reload", "", "", "read the configuration again", adminOnly, nil, nil, (*conn).reload},
		{"show", "version", "", "the version of the program", anyone, versionColumns, nil, (*conn).showVersion},
		{"show", "help", "", "this list", anyone, helpColumns, nil, (*conn).showHelp},
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
