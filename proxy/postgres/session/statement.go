package session

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// A statement is one prepared statement as any number of clients share it: equal text, parameter types, parse scope and meaning
// are the same *statement. On a server it goes by a name of our own, so that clients may name theirs as they like.
type statement struct {
	// body is the tail of the Parse message: text, zero byte, parameter types. It is never changed.
	body []byte
	// scope holds the settings that change how the text is parsed.
	scope   string
	meaning meaning
	// serverName is the statement's name on servers, kept because each Bind needs it.
	serverName string
	// ownTypes: a parameter is declared to be of a type that did not come with PostgreSQL. To read its value may run code, and
	// nothing is known of it here.
	ownTypes bool
	// stale is set when a server has said that the columns of the result are others than when it was parsed. Who
	// prepared it before must prepare it anew, as with PostgreSQL itself.
	stale atomic.Bool
	// seen is the verdict on the text, renewed when the catalog changes or somebody sees it through another lens.
	seen atomic.Pointer[sighting]
}

// A sighting is a verdict as one lens gave it.
type sighting struct {
	lens    *Lens
	verdict *classify.Verdict
	// Only if by the verdict the answer may be kept: what the text adds to a key, and what a comment in it says to the cache.
	key  []byte
	hint *querycache.Hint
}

func newSighting(l *Lens, v *classify.Verdict, text []byte) *sighting {
	seen := &sighting{lens: l, verdict: v}
	if v.MayBeKept() {
		seen.key, seen.hint = sqlscan.AppendKey(nil, text), HintOf(text)
	}
	return seen
}

// text is the statement's SQL.
func (st *statement) text() []byte {
	text, _, _ := pgwire.CutString(st.body)
	return text
}

// types are the number and the OIDs of the parameter types, as in the Parse message.
func (st *statement) types() []byte {
	_, types, _ := pgwire.CutString(st.body)
	return types
}

// firstOwnType is the least OID of a type that did not come with PostgreSQL.
const firstOwnType = 16384

// haveOwn says whether one of the parameter types of a Parse message is such a type.
func haveOwn(types []byte) bool {
	for len(types) >= 6 { // the number of them, and one more
		if binary.BigEndian.Uint32(types[2:]) >= firstOwnType {
			return true
		}
		types = types[4:]
	}
	return false
}

// serverPrefix starts the name of every statement that the proxy prepares on a server.
const serverPrefix = "_overdrive_"

func serverName(serial uint64) string { return serverPrefix + strconv.FormatUint(serial, 16) }

// statementTable makes statements unique within an identity. Safe for concurrent use; asked once per Parse.
type statementTable struct {
	seed   maphash.Seed
	serial atomic.Uint64 // of the last name given out; names are never reused
	mu     sync.Mutex    // guards the fields below
	known  *simplelru.LRU[uint64, *statement]
	bytes  int
}

// Bounds of the table. A statement that falls out lives on in the sessions that use it; only sharing with later
// clients is lost.
const (
	maxStatements     = 20000
	maxStatementBytes = 64 << 20
)

func newStatementTable() *statementTable {
	t := &statementTable{seed: maphash.MakeSeed()}
	t.known, _ = simplelru.NewLRU(maxStatements, func(_ uint64, st *statement) { t.bytes -= len(st.body) })
	return t
}

// intern returns the statement with this body, scope and meaning, copying it if it is new.
func (t *statementTable) intern(body []byte, scope string, m meaning) *statement {
	h := maphash.Bytes(t.seed, body) ^ maphash.String(t.seed, scope) ^ maphash.Comparable(t.seed, m)
	t.mu.Lock()
	defer t.mu.Unlock()
	if st, ok := t.known.Get(h); ok && string(st.body) == string(body) && st.scope == scope && st.meaning == m && !st.stale.Load() {
		return st
	}
	st := &statement{body: append([]byte(nil), body...), scope: scope, meaning: m, serverName: serverName(t.serial.Add(1))}
	st.ownTypes = haveOwn(st.types())
	t.known.Remove(h)
	t.known.Add(h, st)
	t.bytes += len(st.body)
	for t.bytes > maxStatementBytes && t.known.Len() > 1 {
		t.known.RemoveOldest()
	}
	return st
}

// residents are the statements that live on one server connection, bounded by count and bytes. They follow the order of
// what was sent, not of what was answered; a message that the server skipped is undone. They belong to the
// connection's loop.
type residents struct {
	live  *simplelru.LRU[*statement, uint64] // the batch in which it was parsed
	bytes int
	last  *statement // is there, and the most recently used; nil: not known
}

// Bounds per server connection. Count as PgBouncer's max_prepared_statements has it by default.
const (
	maxResidents     = 200
	maxResidentBytes = 4 << 20
)

func newResidents() *residents {
	r := &residents{}
	r.live, _ = simplelru.NewLRU(2*maxResidents, func(st *statement, _ uint64) { r.bytes -= len(st.body); r.last = nil })
	return r
}

// has says whether st is there, and marks it as used.
func (r *residents) has(st *statement) bool {
	if st == r.last && st != nil { // as a rule: a batch uses one several times, and a busy server has few
		return true
	}
	_, ok := r.live.Get(st)
	if ok {
		r.last = st
	}
	return ok
}

// since returns the batch in which st was parsed.
func (r *residents) since(st *statement) (batch uint64, ok bool) { return r.live.Peek(st) }

// add notes that st was parsed.
func (r *residents) add(st *statement, batch uint64) {
	r.remove(st)
	r.live.Add(st, batch)
	r.bytes += len(st.body)
	r.last = st
}

func (r *residents) remove(st *statement) { r.live.Remove(st) }

// surplus takes out the least recently used statement if there is no room for one more of the given size.
func (r *residents) surplus(size int) (st *statement, ok bool) {
	if r.live.Len() < maxResidents && r.bytes+size <= maxResidentBytes {
		return nil, false
	}
	st, _, ok = r.live.RemoveOldest()
	return st, ok
}

func (r *residents) clear() { r.live.Purge() }
