package classify

import "overdrive/querycache/verdict"

// Session is the set of things a text may leave behind in the session, beyond its transaction. A pooler keeps the server
// connection for the client, or resets it, because of them. Of what a function or procedure of the user does only the
// setting of parameters is feared; of a DO block it is guessed from the words of its body.
type Session uint32

const (
	Listen         Session = 1 << iota
	TempObject             // a temporary table, view, sequence or function
	HoldCursor             // DECLARE … WITH HOLD
	AdvisoryLock           // pg_advisory_lock and its kin that outlive the transaction
	SQLPrepare             // PREPARE name AS …
	SetsConfig             // set_config that is not certainly local and does not name its parameter, UPDATE of pg_settings
	Load                   // LOAD 'library'
	SetSeed                // setseed()
	DiscardAll             // DISCARD ALL
	DeallocateAll          // DEALLOCATE ALL
	Renames                // until the transaction ends names or rights may be others: SET LOCAL search_path or role
	Configures             // code of the user's runs that may set any parameter, or leave anything else behind
	SessionUnknown         // not all of the text was understood: any of these may be so
	Recodes                // until the transaction ends texts may be read otherwise: SET LOCAL client_encoding or standard_conforming_strings
	ReadOnly               // BEGIN … READ ONLY
	Queries                // nothing but SELECT, VALUES, TABLE, WITH and SHOW: after it a READ ONLY transaction is READ ONLY still
	Draws                  // may call nextval or setval, which currval and lastval then tell of: INSERT, COPY, MERGE, DEFAULT, the names themselves
	Ends                   // may end one of Listen, TempObject, HoldCursor, AdvisoryLock and SQLPrepare
	TempPath               // a search_path, perhaps for the transaction alone, by which what is created may be temporary
	PlainBegin             // the text is one BEGIN or START TRANSACTION that cannot fail: READ COMMITTED, or whatever the default is
	Starts                 // beside PlainBegin: its tag is START TRANSACTION
	Committed              // beside PlainBegin: it names READ COMMITTED
	Writes                 // beside PlainBegin: it names READ WRITE
	PlainCommit            // the text is one COMMIT or END, without AND CHAIN
	PlainRollback          // the text is one ROLLBACK or ABORT, of all of the transaction
	SetsOwn                // sets a parameter of the user's own, such as app.tenant, or may: for the session or the transaction
	ReadsOwn               // reads one by SHOW, or any by current_setting: see OwnRead
	DropsOnCommit          // beside TempObject: it says ON COMMIT DROP
	Calls                  // beside Configures: a catalog says that code runs, or the text itself names what runs, such as a function
	Unlistens              // UNLISTEN, beside Ends
	Leaves                 // may leave the transaction block, or take back a part of it: COMMIT, ROLLBACK, ROLLBACK TO, PREPARE TRANSACTION
	MayCommit              // beside Leaves: COMMIT, END, PREPARE TRANSACTION
)

// Passing is what leaves nothing behind in the session but what the transaction, or a question about parameters, is about.
const Passing = ReadsOwn | ReadOnly | Queries | Draws | PlainBegin | Starts | Committed | Writes | PlainCommit | PlainRollback | Leaves | MayCommit

// A PreparedName is that of a prepared statement in a text.
type PreparedName struct {
	Name     string
	Executed bool // by EXECUTE, also one within EXPLAIN or CREATE TABLE AS
}

// Has reports whether any bit of mask is set.
func (s Session) Has(mask Session) bool { return s&mask != 0 }

// Verdict is what is known of a text: what every dialect tells, and what counts in PostgreSQL alone. It never changes and is
// shared.
type Verdict struct {
	verdict.Statement

	// Bare is, of a text that is one EXECUTE, what it does but for the statement that it executes; nil: that is not told apart.
	Bare *Bare

	// Touch is what DDL may change the meaning of; nil: anything. Its relations are Writes.
	Touch  *Touch
	Shared bool // the catalogs of all databases of the server must be loaded again, too: roles, say, may be others then

	// Atomic tells that nothing stays of what the text does if it fails, where it is all of its message; AtomicInBlock, that nothing stays
	// if it runs in a transaction block that is rolled back, whether it fails or not. Of an Effect on relations, and of none, both are true
	// without being told.
	Atomic, AtomicInBlock bool

	// Runs tells, beside an Effect on relations, perhaps on none, that functions of the user's are called whose bodies were read: they do what
	// Effect says as long as they, and what they name, are what they were.
	Runs bool

	// Loose tells that Tables and Writes are not all that the meaning of the statement hangs on: code runs, or a relation is named that is not
	// known. See Classifier.Meets.
	Loose bool

	Within  bool // a query stands within the statement, which is none itself: what its names mean counts as it does for a query
	ByPath  bool // beside no Effect: it is DDL, unless the search_path is the one that the verdict is for
	Commits bool // beside an Effect that is less than everything: it commits by itself, as VACUUM does

	Session Session
	Sets    []string // names, in lower case, of the parameters that SET changes for the session
	Resets  []string // the same for RESET and SET … TO DEFAULT, unless a SET follows in the text; "all" for RESET ALL
	// SetsByName tells that what SetsConfig speaks of is known by name: parameters of PostgreSQL's own, of which the server tells, and those of Sets.
	SetsByName bool
	Kept       []string // those of Sets whose SET stands behind the last RESET ALL

	Naming

	Prepared []PreparedName // the prepared statements that PREPARE, EXECUTE and DEALLOCATE name, each once
	Dropped  []string       // of each DEALLOCATE of one, in their order

	// Needs names the parameters, in lower case, that the statement depends on because a policy of a table that it reads or writes, or a view, asks
	// for them with current_setting. An answer may be kept only for a session whose value of each is known and in the key.
	Needs []string

	ownSets []string // those of Sets that code sets which runs

	// Meaning is what the statement hangs on: see Meaning.Held. nil: on nothing, or its Effect is everything.
	Meaning *Meaning

	plainWords places // strings of the text that become no date, whatever they say
	plainBound places // parameters likewise

	generation uint64 // of the Classifier; 0: holds for ever
	perText    bool   // constants of the text matter: finish must look at it
}

// Bare is what an EXECUTE does by itself: what stands for the parameters is worked out by it. The fields are those of a Verdict.
type Bare struct {
	Effect  verdict.Effect
	Writes  []verdict.RelationID
	Runs    bool
	Session Session
}

// Naming is what a text does to the meaning of names, beside what Session says of it.
type Naming struct {
	// Locals are what the text sets for its transaction, in its order, if that is all it does, and all of it can be read; else nil. It is told where
	// something is set that names hang on, or whose name does not stand in the text.
	Locals []LocalSetting
	// OnlySets, where Locals are looked for, tells that all that the text does is to set parameters, so that it matters to nobody what it makes of
	// the meaning of names.
	OnlySets bool
	// Renamed tells that something stands in the text behind a RESET that changes what names mean.
	Renamed bool
}

// BecomesNoDate reports whether the parameter of a number, from 0, is certain to become no date, whatever its value says, unless it is
// declared to be one.
func (v *Verdict) BecomesNoDate(parameter int) bool { return v.plainBound.has(parameter) }

// Unreadable returns the verdict on a text that nothing is known about, for callers who know that reading it would
// mislead, because standard_conforming_strings is off, say, or the client_encoding is one that hides quotes.
func Unreadable() *Verdict { return &unreadable }

var (
	unreadable   = unknown(verdict.Uncacheable, "the settings of the session change how the text is read")
	oversized    = unknown(verdict.OversizedQuery, "the text is longer than the cache looks at")
	unterminated = unfinished()
	encoded      = unknown(verdict.Uncacheable, "the text has an identifier of the form U&\"…\"")
	empty        = Verdict{Statement: verdict.Statement{Status: verdict.NotAQuery, Reason: "the text is empty"}}
)

// unfinished returns the verdict on a text that a server refuses as a whole, unless it reads texts otherwise than is believed. So it is not
// worth to tie a session to its server: what it has left behind, if anything, is asked for.
func unfinished() Verdict {
	v := unknown(verdict.ParseError, "the text ends inside a string, a quoted identifier or a comment")
	v.Session = Configures | Calls
	return v
}

// unknown returns the verdict that fears the worst.
func unknown(s verdict.Status, reason string) Verdict {
	return Verdict{
		Statement: verdict.Statement{Status: s, Reason: reason, Effect: verdict.EffectEverything, DDL: true},
		Shared:    true, Session: SessionUnknown,
	}
}
