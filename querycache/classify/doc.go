// Package classify says, for one SQL text, whether its answer may be kept, which relations the answer depends on, which
// relations the text writes, and what it leaves behind in the session. The texts are PostgreSQL's; what is known of a statement in any
// dialect is in package verdict, and classify.Verdict adds what counts in PostgreSQL alone.
//
// # From text to verdict
//
//	text ──sqlscan──▶ shape ──look-up──▶ *Verdict            known shape: no allocation, no parser
//	                    │ unknown
//	                    ├──tokens──▶ session effects         needs no grammar, works on what does not parse
//	                    └──parser──▶ tree ──walk+Catalog──▶ status, reads, effect
//
// A verdict is worked out from the shape and never from the text, so it cannot depend on a constant. The few
// things that do are added per text: a string that means the present ('today') makes the answer volatile, the body of
// a DO block and the value of a search_path are searched for session effects, what a text sets for its transaction alone is read
// (local.go), and our own SET carries its value.
//
// # What is refused
//
// Everything not known to be safe. A tree node, function, operator, type or relation must be on the list of harmless
// ones; the list of functions and types is the server's own catalog. The reason names the culprit. Functions that
// the server calls STABLE are refused with the volatile ones, but for those of settingsOnly (stable.go): they depend on
// nothing but settings (TimeZone, DateStyle, lc_monetary, default_text_search_config …), which belong into the key of the
// cache. So do the operators and casts of PostgreSQL itself that are STABLE.
//
// Names are judged by name: which overload is meant, and of what type a column is, is not worked out. Where one of the
// functions of a name and number of arguments is not harmless, none is; dates.go tells the few exceptions.
//
// Views, policies and generated columns are judged by the trees that the server keeps of them (package nodetree), where
// every name is an OID and nothing is left to guess:
//
//	statement ──names──▶ relation ──family──▶ its partitions and children
//	                        │ view: tree ──▶ relations, functions, operators, types; relations again
//	                        └ policies, if they hold for the role or a view stands before: trees likewise, Verdict.Needs
//
// A function of the user may write, whatever the server calls it, unless it is written in C and not VOLATILE: nobody
// checks what a STABLE or IMMUTABLE function in another language calls. So may all that calls it without its name: views,
// operators, casts, domains, constraints, indexes, policies, and x.f, which is f(x) where x has no field f. Only where a statement calls it by name is
// its body read (routines.go), and what it does followed (spread.go): Verdict.Runs.
//
// Oracle judges a whole statement by the server's tree. The tests hold Judge against it: whatever Judge allows, the tree must
// allow.
//
// # For whom a verdict holds
//
// Names are resolved as the server did when the Catalog was loaded: for one database, one role, and one search_path. A
// session that changed its role or search_path needs a Classifier of its own or must be judged by Unreadable. A
// session with temporary tables must not be answered from a cache at all, for they hide others of the same name.
//
// Bound parameters are not seen here: the caller must refuse an answer if sqlscan.HasSpecialDate is true of a value
// bound in text format.
//
// # Generations
//
//	           Stale()                    SetCatalog(c, g), g == Generation()
//	settled ───────────▶ unsettled ─────────────────────────────────────────▶ settled
//	   ▲  catalog known     │  ▲   every read is refused, every write
//	   └────────────────────┘  └── is taken to write everything       Stale() again: a load under way is refused
//
// Suspend is a Stale that SetCatalog may undo with the catalog of before, if nothing else happened in between.
//
// Whoever keeps a *Verdict longer than one statement (a prepared statement does) asks Current before using it again.
package classify
