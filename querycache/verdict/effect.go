package verdict

import "hash/fnv"

// RelationID tells a relation from all others of its database. What the number is the dialect decides; it stays the same, and no
// other relation gets it, while an answer that depends on the relation may be kept.
type RelationID uint32

// NameID stands for all functions and types of a name among relations. Several names may share one.
func NameID(name string) RelationID {
	h := fnv.New32a()
	h.Write([]byte(name)) //nolint:errcheck // it cannot fail
	return firstName + RelationID(h.Sum32()%names)
}

// Names stand where relations come last: what both have, if ever a relation gets there, goes a little more often than it must.
const (
	names                = 1 << 16
	firstName RelationID = 1<<32 - names
)

// Effect says what a statement may change.
type Effect uint8

// From the least to the worst.
const (
	EffectNone       Effect = iota
	EffectRelations         // the relations that the statement writes by its verdict
	EffectEverything        // anything in the database
)
