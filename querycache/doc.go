// Package querycache keeps answers of a database, drops them when what they depend on changes, and never hands out one
// that a write it knows of has overtaken. It sees keys and answers as opaque bytes. What an answer depends on
// and what a statement writes comes from package classify.
//
// # Generations
//
// Each relation of a database has a cell, and the database as a whole has one. A cell is one 64-bit word:
//
//	┌───────────────────────────┬──────────────────┐
//	│ generation        40 bits │ writers  24 bits │
//	└───────────────────────────┴──────────────────┘
//	BeginWrite   writers + 1
//	Write.End    writers - 1 and generation + 1, in one step
//	Purge        generation + 1
//
// A fill notes the words of the database's cell and of the cells of all relations it reads, before the query is sent, and
// gives up at once if any has a writer. The entry carries these words. It is served only while every one of its cells
// still holds the very same word: no writer, and no write ended since.
//
//	client A                        cells             client B
//	─────────────────────────────────────────────────────────────────────────
//	Begin: note words  ◀───────── g=7 w=0
//	send SELECT                   g=7 w=1  ◀───────── BeginWrite, send UPDATE
//	…                             g=7 w=1             Get: unsettled, ask the server
//	…                             g=8 w=0  ◀───────── COMMIT answered: End, then forward the answer
//	Commit: word differs, drop
//
// # Why no stale entry is served
//
// Invariant I: when Get returns an entry, no write known to touch what it depends on was begun after the words of the entry were
// noted and before Get looked at them.
//
//	(1) Write begins and ends before Begin: the query sees it, as it is sent after a commit that was answered.
//	(2) Write begins before Begin and ends after: Begin finds a writer and refuses.
//	(3) Write begins after Begin: from then on the word differs from the one noted, first by the writer and for ever after
//	    by the generation. Commit drops the entry, and if it looked just before, Get finds the difference.
//	(4) Write begins after Get looked: the answer is that of a moment before the write.
//
// In (3) nothing hangs on when the entry is stored, so the check in Commit saves memory and correctness rests on Get alone.
// All cells are checked one after the other without a lock; this is sound because a word, once changed, never comes
// back. (Generations would have to wrap around: 2^40 writes of one relation.)
//
// Invalidation costs one atomic addition for each relation written, however many entries there are. Entries that died by
// it are removed when next looked up or when their turn to be evicted comes.
//
// # Memory
//
// Entries lie in shards by the hash of their key, each with a lock and a list in order of use. Keys, answers, fills in
// progress and an estimate of the overhead count against one budget for all databases. It is never exceeded: room is
// reserved before memory is taken, by evicting the least recently used entry of one shard after the other. Fills in
// progress may take half of the budget.
package querycache
