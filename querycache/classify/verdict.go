package classify

// RelationID is the OID of a table in one database.
type RelationID uint32

// Status says what became of a statement as far as the cache is concerned. The words are shown to users.
type Status string

// What Judge says of a text.
const (
	Cacheable          Status = "cacheable"
	Uncacheable        Status = "uncacheable"        // a query, but something in it is not known to be safe
	Volatile           Status = "volatile"           // a query whose answer changes by itself
	MultipleStatements Status = "multiplestatements" // more than one statement in one text
	NotAQuery          Status = "notaquery"          // anything but SELECT, VALUES and TABLE
	OversizedQuery     Status = "oversizedquery"     // the text is longer than is looked at
	ParseError         Status = "parseerror"         // the text could not be read
	Unsettled          Status = "unsettled"          // not known at the moment: the catalog or a relation is changing
)

// Effect says what a statement may change.
type Effect uint8

const (
	EffectNone       Effect = iota
	EffectRelations         // the relations in Verdict.Writes
	EffectEverything        // anything in the database
)

// Session is the set of things a text may leave behind in the session, beyond its transaction. A pooler keeps the server
// connection for the client, or resets it, because of them. Of what a function or procedure of the user does only the
// setting of parameters is feared; of a DO block it is guessed from the words of its body.
type Session uint32

const (
	Listen         Session = 1 << iota
	TempObject             // a temporary table, view, sequence, function, or a search_path that may lead there
	HoldCursor             // DECLARE … WITH HOLD
	AdvisoryLock           // pg_advisory_lock and its kin that outlive the transaction
	SQLPrepare             // PREPARE name AS …
	SetsConfig             // set_config that is not certainly local, UPDATE of pg_settings; the parameter's name is not known
	Load                   // LOAD 'library'
	SetSeed                // setseed()
	DiscardAll             // DISCARD ALL
	DeallocateAll          // DEALLOCATE ALL
	Renames                // until the transaction ends names or rights may be others: SET LOCAL search_path or role
	Configures             // code of the user's runs that may set any parameter
	SessionUnknown         // not all of the text was understood: any of these may be so
)

// Has reports whether any bit of mask is set.
func (s Session) Has(mask Session) bool { return s&mask != 0 }

// Verdict is what is known about a text. It never changes and is shared.
type Verdict struct {
	Status Status
	Reason string // one sentence that names the culprit; empty if Cacheable

	Reads  []RelationID // if Cacheable: every relation with rows of its own that the answer depends on, ascending
	Tables []string     // schema.name of all relations that are read, views included, ascending; for people and rules
	Effect Effect
	Writes []RelationID // if EffectRelations: ascending
	DDL    bool         // the catalog must be loaded again once the transaction has ended

	Session Session
	Sets    []string // names, in lower case, of the parameters that SET changes for the session
	Resets  []string // the same for RESET and SET … TO DEFAULT; "all" for RESET ALL

	Own *Own // the text is for the proxy and not for the server

	// Needs names the parameters, in lower case, that the answer depends on because a policy reads them with
	// current_setting. The answer may be kept only for a session whose value of each is known and in the key.
	Needs []string

	// Fingerprint is a hash of Shape, the same in every process; 0 where the text was not looked at.
	Fingerprint uint64
	Shape       string // the text without its constants, see package sqlscan
	Tally       *Tally // what was seen of texts of this shape, whatever the catalog was; nil where Fingerprint is 0

	generation uint64 // of the Classifier; 0: holds for ever
	perText    bool   // constants of the text matter: finish must look at it
}

// Own is a statement about a parameter whose name begins with "overdrive.".
type Own struct {
	Verb  string // show, set, set local, reset
	Name  string // without the prefix, in lower case
	Value string // of set: the constant or word behind = or TO, decoded; empty for DEFAULT
}

// Unreadable returns the verdict on a text that nothing is known about, for callers who know that reading it would
// mislead, because standard_conforming_strings is off, say, or the client_encoding is one that hides quotes.
func Unreadable() *Verdict { return &unreadable }

var (
	unreadable   = unknown(Uncacheable, "the settings of the session change how the text is read")
	oversized    = unknown(OversizedQuery, "the text is longer than the cache looks at")
	unterminated = unknown(ParseError, "the text ends inside a string, a quoted identifier or a comment")
	encoded      = unknown(Uncacheable, "the text has an identifier of the form U&\"…\"")
	empty        = Verdict{Status: NotAQuery, Reason: "the text is empty"}
)

// unknown returns the verdict that fears the worst.
func unknown(s Status, reason string) Verdict {
	return Verdict{Status: s, Reason: reason, Effect: EffectEverything, DDL: true, Session: SessionUnknown}
}
