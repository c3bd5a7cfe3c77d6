// Package querycache keeps answers of a database, drops them when what they depend on changes, and never hands out one
// that a write it knows of has overtaken. It sees keys and answers as opaque bytes. What an answer depends on
// and what a statement writes comes from package verdict.
//
//	Ask ─┬─▶ Hit       the answer
//	     ├─▶ Stale     the answer, past its age; one caller is given a Fill to fetch a fresh one
//	     ├─▶ Miss      a Fill: ask the server, Append what it says, then Commit, Spoil or Abort
//	     ├─▶ Waiting   somebody else asks the server the same; Wake is called when that is over, then Ask again
//	     └─▶ Unsettled, Disabled, …: ask the server, nothing is kept
//
// # Generations
//
// Each relation of a database has a cell, and so have each tag, each shape of statements, and the database as a whole. A cell
// is one 64-bit word:
//
//	┌───────────────────────────┬──────────────────┐
//	│ generation        40 bits │ writers  24 bits │
//	└───────────────────────────┴──────────────────┘
//	BeginWrite       writers + 1
//	Write.End        writers - 1 and generation + 1, in one step
//	Write.Withdraw   writers - 1
//	Purge…           generation + 1
//
// A fill notes the words of all cells that its answer depends on, before the query is sent, and is refused if any has a
// writer. The entry carries these words. It is served only while every one of its cells still holds the very same word: no
// writer, and no write with an effect ended since.
//
//	client A                        cells             client B
//	─────────────────────────────────────────────────────────────────────────
//	Ask, miss: note words ◀────── g=7 w=0
//	send SELECT                   g=7 w=1  ◀───────── BeginWrite, send UPDATE
//	…                             g=7 w=1             Ask: unsettled, ask the server
//	…                             g=8 w=0  ◀───────── COMMIT answered: End, then forward the answer
//	Commit: word differs, drop
//
// # Why no invalidated entry is served
//
// Invariant I: when Ask returns an answer, no write with an effect that is known to touch what it depends on was begun after the
// words of the entry were noted and before Ask looked at them.
//
//	(1) Write begins and ends before the words are noted: the query sees it, as it is sent after a commit that was answered.
//	(2) Write begins before and ends after: the fill finds a writer and is refused.
//	(3) Write begins after: from then on the word differs from the one noted, first by the writer and, once it has ended with
//	    an effect, for ever by the generation. Commit drops the entry, and if it looked just before, Ask finds the
//	    difference.
//	(4) Write begins after Ask looked: the answer is that of a moment before the write.
//
// In (3) nothing hangs on when the entry is stored, so the check in Commit saves memory and correctness rests on Ask alone.
// All cells are checked one after the other without a lock. This is sound because a generation never comes back
// (it would have to wrap around: 2^40 writes of one relation), so a word that is equal when looked at says that
// no write with an effect has ended since it was noted.
//
// A write that was withdrawn makes words equal again, and that is right: it was certainly rolled back, nobody else ever saw
// what it wrote, and while it might still have been committed its writer stood in the word. A word that is
// equal after such a write tells the truth: nothing has changed.
//
// A write of several relations enters all their cells before it is sent and leaves them one by one at its end. An answer that
// depends on two of them is refused while either has a writer, so nobody is served one half of a transaction.
//
// # Why waiting for each other changes nothing
//
// Who waits for the fill of somebody else is not given that answer. He is woken, asks again, and is served what passes the
// checks of any hit, so invariant I holds for him as for everybody: if a write came between, he is not served.
// To wait for a fill that a write has overtaken would be lost time, so nobody is made to; the next one to ask fills anew.
// Flights, as such fills are called, are about load and never about what is right. See flight.go.
//
// # Why an aged answer may be served
//
// MaxAge bounds how long a write that went around the proxy may go unseen; StaleWhileRevalidate lengthens that, once, for
// those who ask while a fresh answer is fetched. The check of the words comes first and is the same: an entry that a
// known write has overtaken is not served at any age. The refresh is a fill like any other.
//
// # Invalidation
//
// It costs one atomic addition for each relation, tag or shape, however many entries there are, and holds from the moment
// the call returns. Entries that died by it are removed when next looked up, when room is needed, or when their turn to be evicted
// comes.
//
// # Memory
//
// Each database has its entries in shards by the hash of their key, each with a lock. An entry is a slot and one blob of bytes behind
// it, in the log of the shard; slots refer to each other by number. All of this, the tables included, is memory of the system that the
// garbage collector does not know: nothing in it holds a pointer, and it does not make the collector let the heap grow.
//
//	shard ─▶ index: hash ─▶ slot │ cell, word │ cell, word │ … │ key │ answer │
//	                          ▲
//	          small, main ────┘   two queues of slots, see evict.go
//
// Entries of more than a few kilobytes have spans of pages of their own, see large.go and held.go. A small answer is copied while the
// shard is locked, so that its entry can be moved or dropped at any moment. A large one is lent, and its pages are free for others only
// when the entry is gone and everybody whom it was lent to has given it back. Memory that becomes free is overwritten in tests
// (Options.Poison): whoever still reads it is found out.
//
// The budget is what the memory really is: pages of large answers, bytes of small ones with their part of the gaps in the log and
// of the tables, fills in progress by their capacity, and answers that are gone but still lent. It is for all databases and is
// never exceeded: room is reserved before memory is taken, by evicting from the database that is furthest above its floor. Fills
// in progress may take half of it, and so may answers that are lent. Beyond the budget there are, of one part in 64, pages that are free and
// ready for the next, and the part of each open region of a log that is not in use yet.
package querycache
