package verdict

// RelationID tells a relation from all others of its database. What the number is the dialect decides; it stays the same, and no
// other relation gets it, while an answer that depends on the relation may be kept.
type RelationID uint32

// Effect says what a statement may change.
type Effect uint8

// From the least to the worst.
const (
	EffectNone       Effect = iota
	EffectRelations         // the relations that the statement writes by its verdict
	EffectEverything        // anything in the database
)
