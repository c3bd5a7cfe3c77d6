package verdict

// Statement is what is known of a statement, or of a text with several. It never changes and is shared.
type Statement struct {
	Status Status
	Reason string // one sentence that names the culprit; empty if Cacheable

	// Clock: if the status is Volatile, it is so for nothing but the clock, which the statement reads once. Its answer may be kept where
	// somebody has said how exact the time must be.
	Clock bool

	Reads  []RelationID // if MayBeKept: every relation with rows of its own that the answer depends on, ascending
	Names  []RelationID // by NameID, of functions and types: if MayBeKept, those that the answer depends on; if EffectRelations, those that are made or unmade
	Tables []string     // schema.name of all relations that are read, views included, ascending; for people and rules
	Effect Effect
	Writes []RelationID // if EffectRelations: every one, ascending
	DDL    bool         // the catalog must be loaded again once the transaction has ended

	Own *Own // the text is for the proxy and not for the server

	// Fingerprint is a hash of Shape, the same in every process; 0 where the text was not looked at.
	Fingerprint uint64
	Shape       string // the text without its constants, as the dialect's lexer leaves it
	Tally       *Tally // what was seen of texts of this shape, whatever the catalog was; nil where Fingerprint is 0
}

// MayBeKept reports whether the answer may be kept, be it only where the time need not be exact.
func (s *Statement) MayBeKept() bool { return s.Status == Cacheable || s.Clock }
