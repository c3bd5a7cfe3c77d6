// Package catalog keeps the classifiers' picture of an upstream database's catalog fresh, over a connection of its own. Without a
// picture nothing is cached, so a failure costs speed and nothing else.
//
// A Keeper belongs to one server user of one database. It looks at the catalog when it is asked to, and every few seconds; each
// look ends in one of these ways:
//
//	            ┌─ nothing has changed ─▶ the catalogs are trusted again
//	look ───────┼─ something has ───────▶ the inventory is read anew, and each lens in use is given its catalog
//	(look.go,   └─ it came to nothing ──▶ the catalogs are put aside, or trusted for a while where clients were in the way
//	examine.go)                           (trust.go), and the next look comes after a pause (setback.go)
//
// The connection takes a slot of the pool, so that it counts within the pool's size, and is closed as soon as clients need the slot
// (slot.go). One lens that cannot have a catalog does not keep the others from theirs (troubles.go).
//
// The files stand on floors. A call goes to the right on its floor, or to a floor below; a test holds it.
//
//	keeper    run.go lend.go
//	look      look.go examine.go ghosts.go trust.go setback.go troubles.go
//	leaves    survey.go conn.go pace.go slot.go shelf.go keeper.go
package catalog
